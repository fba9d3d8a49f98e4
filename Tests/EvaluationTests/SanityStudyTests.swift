// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Testing

@Suite("Sanity checks of metrics") struct SanityStudyTests {
  /// A metric that says what it is told.
  private struct Told: Metric {
    let value: @Sendable (Comparison) -> Double
    func evaluate(_ comparison: Comparison) throws -> Double { value(comparison) }
    func estimate(_ comparison: Comparison) throws -> Estimate { Estimate(value(comparison)) }
  }

  private func check(_ name: String) throws -> SanityCheck { try #require(SanityCheck.all.first { $0.name == name }) }

  /// How far the means of the first column are apart.
  private static func gap(_ comparison: Comparison) -> Double {
    func mean(_ batch: Batch) -> Double { (0..<batch.count).reduce(0) { $0 + batch[$1, 0] } / Double(batch.count) }
    return abs(mean(comparison.samples) - mean(comparison.heldOut))
  }

  @Test("a distance between means passes where means move, and fails where they do not")
  func gaps() throws {
    let outcomes = try SanityStudy(
      [.init("gap", Told { Self.gap($0) }, .distance), .init("constant", Told { _ in 1 }, .distance)],
      checks: [try check("shift"), try check("wide samples"), try check("shift, outlier in samples")], rows: 200,
      repeats: 3, threads: 2
    ).run()
    let passed = outcomes.filter(\.passes).map { "\($0.check.name): \($0.subject)" }
    // An outlier at 1,000 moves the mean of 200 rows by 5; a constant stays when it must, and never worsens.
    #expect(passed == ["shift: gap", "shift, outlier in samples: constant"])
  }

  @Test("what is known of precision, recall, coverage and memorisation is found")
  func known() throws {
    let outcomes = try SanityStudy(
      [
        .init("precision", ImprovedPrecision(), .fidelity), .init("recall", ImprovedRecall(), .diversity),
        .init("coverage", NeighbourCoverage(), .diversity), .init("memorisation", Memorisation(), .memorisation),
      ],
      checks: try ["mode dropping, one by one", "mode invention", "copies", "surfaces"].map(check),
      rows: 200,
      repeats: 3, threads: 2
    ).run()
    func passes(_ check: String, _ subject: String) -> Bool? {
      outcomes.first { $0.check.name == check && $0.subject == subject }?.passes
    }
    #expect(passes("mode dropping, one by one", "recall") == true)
    #expect(passes("mode dropping, one by one", "coverage") == true)
    #expect(passes("mode invention", "precision") == true)
    #expect(passes("copies", "memorisation") == true)
    // A smaller sphere lies within balls around points of a larger one, in 32 dimensions: a failure of the metric.
    #expect(passes("surfaces", "precision") == false)
    let table = SanityStudy.markdown(outcomes)
    #expect(table.contains("| mode invention | ✓ |"))
    #expect(table.contains("| **passed** |"))
  }

  @Test("a metric that refuses has no value, and does not pass")
  func refused() throws {
    let outcomes = try SanityStudy(
      [.init("class-accuracy", ClassAccuracy(), .distance)], checks: [try check("shift")], rows: 50, repeats: 2,
      threads: 2
    ).run()
    #expect(outcomes.count == 1 && !outcomes[0].passes && outcomes[0].refusal != nil)
    #expect(SanityStudy.markdown(outcomes).contains("–"))
  }
}
