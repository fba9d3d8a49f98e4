// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Experiments
import Foundation
import Testing

@Suite("Path errors by default, and solvers that are not told apart") struct DistinctionTests {
  @Test("path_error is on where the score is exact and a solver has a path, and only there") func usual() throws {
    let exact = EvaluationStageTests.exact
    #expect(try plan(exact).evaluation.pathError)
    #expect(try !plan(exact, overrides: ["evaluation.path_error=false"]).evaluation.pathError)
    #expect(try !plan(tiny).evaluation.pathError)
    let only = "sampling.solvers=[{name: pc, kind: predictor-corrector, steps: 4}]"
    #expect(try !plan(exact, overrides: [only]).evaluation.pathError)
    #expect(try !plan(exact, overrides: ["score={kind: empirical}"]).evaluation.pathError)
    try withFolder { folder in
      _ = try makeExperiment(try plan(exact, overrides: ["evaluation.path_error=false"]), folder: folder).run()
      #expect(!contents(folder + "/solvers.csv").prefix { $0 != "\n" }.contains("path_error"))
    }
  }

  @Test("path errors tell solvers apart that metrics cannot, and the run says so") func blind() throws {
    try withFolder { folder in
      let summary = try makeExperiment(try plan(EvaluationStageTests.exact), folder: folder).run()
      let errors = rows(folder + "/solvers.csv").map { Double($0["path_error"] ?? "") ?? .nan }
      #expect(errors[0] > 3 * errors[1] && errors[1] > 3 * errors[2], "\(errors)")
      let lines = summary.split(separator: "\n").map(String.init)
      #expect(!lines.contains { $0.hasPrefix("path-error cannot tell") }, "\(summary)")
      let blind = lines.filter { $0.contains(" cannot tell ") }
      #expect(!blind.isEmpty && blind.allSatisfy { $0.contains("95 %") && $0.contains("Holm") }, "\(summary)")
      let notes = contents(folder + "/manifest.json")
      for line in blind { #expect(notes.contains(line), "\(line)") }
      let table = lines.prefix { !$0.contains("interval") }
      #expect(table.contains { $0.hasPrefix("data ") } && table.contains { $0.contains("*") && $0.contains("≈") })
      #expect(lines.allSatisfy { !$0.hasSuffix(" ") } && table.allSatisfy { $0.count <= 100 }, "\(summary)")
      // The same solver under two names has the same samples.
      let twins = "sampling.solvers=[{name: a, kind: ddim, steps: 9}, {name: b, kind: ddim, steps: 9}]"
      let same = try makeExperiment(try plan(EvaluationStageTests.exact, overrides: [twins]), folder: folder).run()
      for metric in ["sliced-wasserstein", "mmd", "energy-distance", "path-error"] {
        #expect(same.contains("\(metric) cannot tell the best, a, from b ("), "\(same)")
      }
    }
  }

  /// Euler's end and the exact one are affine in the prior's draw, so that all errors of one row have the same law.
  @Test("the interval of a path error covers the error of many rows in 95 % of seeds") func coverage() throws {
    func text(_ seed: Int, _ count: Int) -> String {
      """
      name: path
      seed: \(seed)
      data: {kind: gaussian-mixture, weights: [1], means: [[1, -0.5]], deviations: [0.4], count: 4, held_out: 4}
      process: {kind: vp}
      score: {kind: exact}
      sampling: {count: \(count), grid: uniform, solvers: [{name: euler, kind: euler, steps: 20}]}
      evaluation: {metrics: []}
      """
    }
    func figure(_ text: String) throws -> (value: Double, low: Double, high: Double) {
      try withFolder { folder in
        _ = try makeExperiment(try plan(text), folder: folder).run()
        let row = try #require(rows(folder + "/evaluation.csv").first)
        func number(_ key: String) throws -> Double { try #require(Double(row[key] ?? "")) }
        return (try number("value"), try number("low"), try number("high"))
      }
    }
    // The mean square of some thousand rows: 1 % of it, a tenth of the intervals.
    let truths = try (900..<904).map { try figure(text($0, 1024)).value }
    let truth = (truths.reduce(0) { $0 + $1 * $1 } / 4).squareRoot()
    let covered = try (1...100).filter {
      let (_, low, high) = try figure(text($0, 40))
      return low <= truth && truth <= high
    }
    // Of 100 at 95 %, fewer than 88 occur once in 250 times; and an interval that is too long covers all.
    #expect(covered.count >= 88 && covered.count < 100, "\(covered.count)")
  }

  @Test("errors of the learned score have intervals that hold them, and theirs over t is the metric score-error")
  func scoreError() throws {
    let text =
      EvaluationStageTests.exact.replacing(
        "score: {kind: exact}",
        with: """
          score: {kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}
          training: {steps: 60, batch: 64}
          """) + "\nevaluation: {metrics: [score-error]}\n"
    try withFolder { folder in
      _ = try makeExperiment(try plan(text), folder: folder).run()
      let bins = rows(folder + "/loss_by_time.csv")
      #expect(bins.count == 20)
      var sum = 0.0
      for bin in bins {
        let numbers = ["excess_low", "excess", "excess_high"].compactMap { Double(bin[$0] ?? "") }
        try #require(numbers.count == 3)
        #expect(numbers[0] >= 0 && numbers[0] < numbers[1] && numbers[1] < numbers[2])
        sum += numbers[1]
      }
      let figures = rows(folder + "/evaluation.csv")
      #expect(figures.count == 1 && figures[0]["solver"] == "" && figures[0]["metric"] == "score_error")
      let found = try #require(Double(figures[0]["value"] ?? ""))
      // The same draws: 1,024 of each bin, of 150 rows; rows that have one draw more count as the others.
      #expect(abs(found / (sum / 20) - 1) < 0.05, "\(found) \(sum / 20)")
      #expect(figures[0]["count"] == "150" && Double(figures[0]["low"] ?? "") != nil)
    }
  }
}
