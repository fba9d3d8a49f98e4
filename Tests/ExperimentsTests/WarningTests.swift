// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import ScoreSDE
import Testing

@Suite("Warnings before a run") struct WarningTests {
  private static func config(
    _ data: String, _ process: String, score: String = "{kind: empirical}", sampling: String = "", more: String = ""
  ) -> String {
    """
    name: warned
    data: \(data)
    process: \(process)
    score: \(score)
    \(more)
    sampling:
      count: 2000
      \(sampling)
      solvers:
        - {name: ode, kind: probability-flow, rtol: 1.0e-6, atol: 1.0e-6}
    """
  }

  private static func gaussian(_ mean: Double, _ deviation: Double) -> String {
    "{kind: gaussian-mixture, weights: [1], means: [[\(mean)]], deviations: [\(deviation)], count: 4000}"
  }

  static let two = "{kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0]], deviations: [0.1, 0.1]}"

  /// A config, and what its warnings say; empty where there are none.
  static let cases: [(config: String, says: [[String]])] = [
    (config(gaussian(0, 1), "{kind: vp}"), []),
    (config(two, "{kind: vp}"), []),
    (
      config(gaussian(1000, 0.5), "{kind: vp}"),
      [["process: the prior is not reached", "mean 1000, deviation 0.5)", "off by -3.29", "standardise"]]
    ),
    (config(gaussian(1000, 0.5), "{kind: vp}", more: "coordinates: [standardise]"), []),
    (config(gaussian(1000, 0.5), "{kind: sub-vp}"), [["the prior is not reached"]]),
    // σ(T) = 50 and the mean of 1000 is 10 deviations of 0.5 there.
    (config(gaussian(1000, 0.5), "{kind: ve}"), [["the prior is not reached", "standardise"]]),
    (
      config(gaussian(3, 0.5), "{kind: vp, schedule: {kind: ddpm, levels: 50}}"),
      [["the prior is not reached", "m(T) = 0.776", "off by -1.57", "1.35 times", "standardise"]]
    ),
    // The moments of standardised data fit; two clusters are still two at T.
    (
      config(two, "{kind: vp, schedule: {kind: ddpm, levels: 50}}", more: "coordinates: [standardise]"),
      [["the prior is not reached", "more noise at T"]]
    ),
    (config(gaussian(0, 1000), "{kind: vp}"), [["the prior is not reached"]]),
    (config("{kind: swiss-roll}", "{kind: ve, sigma_max: 2}"), [["prior"], ["σ(T) = 2 is below", "sigma_max: 3.9"]]),
    (
      config(two, "{kind: vp}", sampling: "epsilon: 0.05"),
      [["sampling: epsilon 0.05 leaves noise", "as fine as 0.1", "sampling.epsilon: "]]
    ),
    (
      config(gaussian(0, 0.001), "{kind: ve, sigma_max: 50}"),
      [["leaves noise σ/m = 0.01", "as fine as 0.001", "smaller sigma_min", "standardise"]]
    ),
    (
      config(gaussian(10, 0.001), "{kind: ornstein-uhlenbeck, noise: [[1]]}"),
      [["the prior is not reached"], ["leaves noise"]]
    ),
    // Under velocities too.
    (config(gaussian(1000, 1), "{kind: cld}"), [["the prior is not reached"]]),
    (config(gaussian(0, 1), "{kind: cld}"), []),
    (
      tiny.replacing("batch: 64}", with: "batch: 64, epsilon: 1.0e-2}"),
      [["sampling: epsilon 0.001 is below training.epsilon, which is 0.01", "sampling.epsilon: 0.01 or more"]]
    ),
  ]

  @Test("what is known before a run is said, with the remedy, and nothing else", arguments: cases.indices)
  func foreseen(index: Int) throws {
    let (config, says) = Self.cases[index]
    let lines = try plan(config).foreseen()
    #expect(lines.count == says.count, "\(lines)")
    for (line, parts) in zip(lines, says) {
      #expect(line.hasPrefix("test.yaml:") && !line.contains("\n"))
      for part in parts { #expect(line.contains(part), "\(line) lacks \(part)") }
    }
  }

  /// The warning's numbers are those of the run: the mean of 2,000 samples is known to 0.5/√2000 = 0.011.
  @Test(
    "what the warning foresees is what happens",
    arguments: [
      ("{kind: vp}", 1000.0, 0.5), ("{kind: vp, schedule: {kind: ddpm, levels: 50}}", 3, 0.5), ("{kind: ve}", 300, 0.5),
      ("{kind: vp}", 0, 300),
    ])
  func happens(process: String, mean: Double, deviation: Double) throws {
    try withFolder { folder in
      let text = Self.config(Self.gaussian(mean, deviation), process, score: "{kind: exact}")
      let plan = try plan(text)
      let line = try #require(try plan.foreseen().first)
      func number(after words: String) throws -> Double {
        let rest = try #require(line.components(separatedBy: words).dropFirst().first)
        return try #require(Double(rest.prefix { "-+.e0123456789".contains($0) }))
      }
      let (shift, ratio) = (try number(after: "would be off by "), try number(after: "their deviation be "))
      _ = try makeExperiment(plan, folder: folder).run()
      let values = contents(folder + "/samples/ode.csv").split(separator: "\n").dropFirst().compactMap { Double($0) }
      let found = values.reduce(0, +) / 2000
      let spread = (values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / 2000).squareRoot()
      // Four standard errors, and the three digits of a line.
      let error = 4 * deviation / 2000.0.squareRoot()
      #expect(abs(found - mean - shift) < error + 0.01 * abs(shift), "\(found), \(line)")
      #expect(abs(spread / deviation - ratio) < 4 * ratio / 4000.0.squareRoot() + 0.01 * ratio, "\(spread), \(line)")
    }
  }

  @Test("constant rows and columns are told") func constant() throws {
    try withFolder { folder in
      func lines(_ rows: [String]) throws -> [String] {
        try Data((["x,y"] + rows).joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: folder + "/d.csv"))
        return try plan(Self.config("{kind: csv, path: \(folder)/d.csv}", "{kind: vp}")).foreseen()
      }
      let all = try lines((0..<40).map { _ in "1,2" })
      #expect(all.contains { $0.contains("all rows are equal") }, "\(all)")
      let one = try lines((0..<40).map { "\(Double($0 % 7) / 3 - 1),2.5" })
      #expect(one.filter { $0.contains("never changes") || $0.contains("constant") }.count == 1, "\(one)")
    }
  }

  @Test("metrics of all pairs of very many rows are told") func manyPairs() throws {
    func lines(_ count: Int) throws -> [String] {
      try plan(tiny, overrides: ["sampling.count=\(count)"]).foreseen().filter { $0.contains("compares all pairs") }
    }
    #expect(try lines(1_000_000).count == 2 && lines(100_000).isEmpty)
  }

  @Test("no shipped config has a warning") func shipped() throws {
    let folder = repository.appendingPathComponent("Experiments").path
    for file in try FileManager.default.contentsOfDirectory(atPath: folder) where file.hasSuffix(".yaml") {
      let source = try ConfigSource(path: "\(folder)/\(file)", overrides: standingIn(for: file))
      // SweepConfigTests has those.
      if source.isSweep { continue }
      let lines = try ExperimentPlan(source).foreseen()
      #expect(lines.isEmpty, "\(lines)")
    }
  }

  @Test("a preview of a hundred million rows takes no time") func large() throws {
    let start = ContinuousClock().now
    _ = try plan(tiny, overrides: ["data.count=100000000", "data.held_out=100000000"]).foreseen()
    #expect(start.duration(to: ContinuousClock().now) < .seconds(2))
  }

  // MARK: Metrics

  @Test("metrics that are not defined stay empty with a note, the others are kept, in any order")
  func metrics() throws {
    for names in ["[mmd, sliced-wasserstein, energy-distance]", "[sliced-wasserstein, energy-distance, mmd]"] {
      try withFolder { folder in
        let text =
          Self.config(Self.two, "{kind: vp}", score: "{kind: exact}").replacing("count: 2000", with: "count: 1")
          + "\nevaluation: {metrics: \(names)}\n"
        let plan = try plan(text)
        let lines = try plan.foreseen()
        #expect(lines.count == 2 && lines.allSatisfy { $0.contains("1 samples and 5000 held-out rows") }, "\(lines)")
        #expect(lines.contains { $0.contains("evaluation: mmd needs 2 rows") })
        _ = try makeExperiment(plan, folder: folder).run()
        let rows = contents(folder + "/solvers.csv").split(separator: "\n").map {
          $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let row = Dictionary(uniqueKeysWithValues: pairs(rows[0], rows[1]))
        #expect(row["mmd"] == "" && row["energy_distance"] == "" && Double(row["sliced_wasserstein"] ?? "") != nil)
        let manifest = contents(folder + "/manifest.json")
        for name in ["mmd", "energy-distance"] {
          #expect(
            manifest.contains("solver ode: metric \(name) is empty: 1 samples and 5000 held-out rows"), "\(manifest)")
        }
      }
    }
  }
}
