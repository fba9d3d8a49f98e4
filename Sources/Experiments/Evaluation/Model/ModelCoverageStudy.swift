// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Foundation
import Synchronization

/// How often the 95 % intervals of figures of models cover the expected value: `CoverageStudy` for a model that stays
/// as it is, and held-out rows of a known mixture, noise and levels' noise that are drawn anew in every repeat.
///
/// The expected value is the mean over half as many repeats with other random numbers. Its error, 0.06 deviations of
/// the figure at 250 repeats, takes 0.05 % of the coverage.
public struct ModelCoverageStudy: Sendable {
  /// A model, and what is measured of it.
  public struct Problem: Sendable {
    /// A few words.
    public let name: String
    /// The keys `data`, of a kind whose law is known, `process`, `score` and `training`.
    public let config: String
    /// Figures, by their kinds.
    public let metrics: [String]

    /// A model by its config, and what is measured of it.
    public init(_ name: String, config: String, metrics: [String]) {
      (self.name, self.config, self.metrics) = (name, config, metrics)
    }
  }

  /// For bits per dimension: rows are taken as 41 levels, 0.2 apart.
  private static let levels = "{levels: 41, low: -4, high: 4, rtol: 1.0e-3, atol: 1.0e-3}"

  /// How many intervals there are, and how many held-out rows each is of.
  public let repeats, rows: Int
  /// Keys all random numbers.
  public let seed: UInt64
  /// How many repeats are computed at a time; results do not depend on it.
  public let threads: Int

  /// - Parameters:
  ///   - repeats: how many intervals.
  ///   - rows: how many held-out rows.
  ///   - seed: keys all random numbers.
  ///   - threads: how many repeats are computed at a time.
  public init(repeats: Int = 500, rows: Int = 500, seed: UInt64 = 7, threads: Int = Shards.processors) {
    precondition(repeats > 3 && rows > 1)
    (self.repeats, self.rows, self.seed, self.threads) = (repeats, rows, seed, threads)
  }

  private static let mixture = "weights: [3, 2, 1], means: [[0, 0], [1.5, 0], [0, 1.5]], deviations: [0.4, 0.2, 0.3]"

  /// A network that was trained briefly; and exact scores of processes that end long before the prior is reached, so
  /// that the model's law is another one than the data's.
  public static let problems: [Problem] = {
    func exact(_ data: String) -> String {
      "data: {kind: gaussian-mixture, \(data)}\nprocess: {kind: vp, beta_max: 4}\nscore: {kind: exact}\n"
    }
    let means = [[0.0, 0], [1.5, 0], [0, 1.5]].map { "\($0 + [Double](repeating: 0, count: 6))" }
    let wide = "weights: [3, 2, 1], means: [\(means.joined(separator: ", "))], deviations: [0.4, 0.2, 0.3]"
    return [
      Problem(
        "network, 2",
        config: "data: {kind: gaussian-mixture, \(mixture)}\nprocess: {kind: vp}\n"
          + "score: {kind: network, prediction: edm, network: {kind: mlp, hidden: [16, 16], features: 8}}\n"
          + "training: {steps: 500, batch: 128, learning_rate: 3.0e-3}\n",
        metrics: ["kl", "nll", "bits-per-dimension", "score-error"]),
      Problem("early end, 2", config: exact(mixture), metrics: ["kl", "nll", "bits-per-dimension"]),
      Problem("early end, 8", config: exact(wide), metrics: ["kl", "nll"]),
    ]
  }()

  /// The coverage of every metric of a problem.
  /// - Parameters:
  ///   - problem: one of `problems`.
  ///   - metrics: only these; empty: all.
  /// - Throws: what the metrics throw.
  public func run(_ problem: Problem, only metrics: Set<String> = []) throws -> [CoverageStudy.Result] {
    let folder = NSTemporaryDirectory() + "score-sde-study-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let chosen = problem.metrics.filter { metrics.isEmpty || metrics.contains($0) }
    // Rows of levels are other rows than those whose law is known.
    let parts = [chosen.filter { $0 != "bits-per-dimension" }, chosen.filter { $0 == "bits-per-dimension" }]
    var results: [String: CoverageStudy.Result] = [:]
    for part in parts where !part.isEmpty {
      let isOfLevels = part == ["bits-per-dimension"]
      let text =
        "name: study\nseed: \(seed)\n\(problem.config)sampling: {count: 0, solvers: []}\nlikelihood: "
        + (isOfLevels ? Self.levels : "{rtol: 1.0e-3, atol: 1.0e-3}") + "\n"
        + "evaluation: {metrics: [\(part.joined(separator: ", "))]}\n"
      let plan = try ExperimentPlan(ConfigSource(text: text, path: "study.yaml", overrides: ["data.held_out=\(rows)"]))
      for result in try run(problem.name, plan, in: folder) { results[result.metric] = result }
    }
    return chosen.compactMap { results[$0] }
  }

  private func run(_ name: String, _ plan: ExperimentPlan, in folder: String) throws -> [CoverageStudy.Result] {
    let experiment = Experiment(plan, folder: folder + "/run", store: ModelStore(folder), threads: threads, quiet: true)
    if plan.training != nil { _ = try experiment.run([.train]) }
    let data = try experiment.loadData()
    let source = try experiment.score(try ScoreOrigin(experiment, data), data)
    let metrics = plan.evaluation.modelMetrics
    let total = repeats + max(2, repeats / 2)
    let found = Mutex([[Estimate]](repeating: [], count: total))
    try Shards(rows: total, size: 1).forEach(threads: threads) { index, _ in
      let own = seed &+ 1 &+ UInt64(index)
      let reference = Reference(heldOut: try plan.data.load(seed: own).heldOut)
      let model = JudgedModel(experiment, data, reference, source, seed: own, threads: 1)
      let estimates = try metrics.map { try $0.metric.judge(model).estimate }
      found.withLock { $0[index] = estimates }
    }
    let estimates = found.withLock { $0 }
    return metrics.indices.map { m in
      CoverageStudy.Result(
        problem: name, metric: metrics[m].name, count: rows, intervals: estimates[..<repeats].map { $0[m] },
        others: estimates[repeats...].map { $0[m].value })
    }
  }
}
