// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Processes
import Scores

/// An experiment and the folder it writes to: `train`, `sample` and `evaluate` are its stages, `run` does all three.
public struct Experiment: Sendable {
  public let plan: ExperimentPlan
  public let catalogue: Catalogue
  public let folder: String
  public let store: ModelStore
  public let threads: Int
  public let quiet: Bool

  /// - Parameters:
  ///   - plan: what to do.
  ///   - catalogue: the kinds that the plan was decoded with.
  ///   - folder: where results go; default: `Results/NAME`.
  ///   - store: where trained networks are kept; default: what `SCORE_SDE_MODELS` names, else `Results/.models`.
  ///   - threads: default: one per processor. Results do not depend on it.
  ///   - quiet: no progress bars and no notes on standard error.
  public init(
    _ plan: ExperimentPlan, catalogue: Catalogue = .standard, folder: String? = nil, store: ModelStore? = nil,
    threads: Int? = nil, quiet: Bool = false
  ) {
    self.plan = plan
    self.catalogue = catalogue
    self.folder = folder ?? "Results/\(plan.name)"
    self.store = store ?? .default
    self.threads = threads ?? Shards.processors
    self.quiet = quiet
  }

  public enum Stage: String, Sendable, CaseIterable { case train, sample, evaluate }

  /// Runs the stages and returns what to print: a table and paths.
  /// - Throws: `InputError` before anything is written; `ExperimentFailure` after whatever could be finished was.
  public func run(_ stages: [Stage] = Stage.allCases) throws -> String {
    // Everything that can be refused is refused before the folder is touched.
    let data = try loadData()
    if data.dataset.heldOut.count == 0 && plan.evaluation.asksForMetrics {
      throw InputError(
        "there are no held-out rows to judge by; allowed: []", at: plan.places.of("evaluation", "metrics"))
    }
    let origin = try ScoreOrigin(self, data)
    // With initial weights where there are no others yet.
    _ = try plan.sampling.score(origin.source)
    let (trains, samples, evaluates) = (
      stages.contains(.train), stages.contains(.sample), stages.contains(.evaluate)
    )
    let needsScore = samples || evaluates && plan.evaluation.pathError
    var source = needsScore && !trains ? try score(origin, data) : nil
    var table: SolverTable?
    if !trains && !samples {
      _ = try ResultsFolder(existing: folder)
      table = try SolverTable(
        reading: "\(folder)/solvers.csv", experiment: plan.name, process: plan.processKind,
        metrics: plan.evaluation.metrics.map(\.name))
    }
    let results = try ResultsFolder(creating: folder)
    try results.write(plan.resolved, to: "config.yaml")
    var manifest = Manifest(threads: threads, name: plan.name, seed: plan.seed, started: Manifest.now())
    func timed<Value>(_ stage: Stage, _ body: () throws -> Value) rethrows -> Value {
      let start = ContinuousClock().now
      defer { manifest.seconds[stage.rawValue] = start.duration(to: ContinuousClock().now).seconds }
      return try body()
    }
    do {
      if trains {
        try timed(.train) {
          switch origin {
          case .ready(let ready): source = ready
          case .trained(let training, _):
            let (weights, isReused) = try training.run(into: results)
            manifest.trainingReused = isReused
            if needsScore { source = try score(data, learned: training.network.source(weights)) }
          }
        }
      }
      let bound = needsScore ? try source.map { try plan.sampling.score($0) } : nil
      let conditions =
        needsScore
        ? try source.map { try plan.sampling.condition.conditions(for: $0, count: plan.sampling.count) } : nil
      if samples, let bound {
        let (sampled, failures) = try timed(.sample) { try sampling(bound, data).run(into: results) }
        table = sampled
        manifest.failures += failures
      }
      if evaluates, let sampled = table {
        let (judged, failures, notes) = try timed(.evaluate) {
          try evaluation(bound, conditions ?? .nothing, data).run(sampled, in: results)
        }
        table = judged
        manifest.failures += failures
        manifest.notes += notes
      }
    } catch let error as ComputationError {
      manifest.failures.append(error.description)
    }
    for note in manifest.notes { FileHandle.standardError.write(Data("score-sde: note: \(plan.name): \(note)\n".utf8)) }
    manifest.finished = Manifest.now()
    manifest.peakMemoryMib = Manifest.peakMemory
    try results.write(try manifest.encoded(), to: "manifest.json")
    let summary = summary(table, results, reused: manifest.trainingReused)
    if !manifest.failures.isEmpty { throw ExperimentFailure(reasons: manifest.failures, summary: summary) }
    return summary
  }

  /// The data, and what a model sees of them.
  func loadData() throws -> DataInCoordinates {
    let fitted = try plan.model.coordinates.isEmpty ? nil : plan.score.fittedCoordinates()
    return try DataInCoordinates(plan.data, recipes: plan.model.coordinates, fitted: fitted, seed: plan.seed)
  }

  private func sampling(_ score: any Score, _ data: DataInCoordinates) -> SamplingStage {
    SamplingStage(
      name: plan.name, process: plan.prepared, processKind: plan.processKind, score: score, plan: plan.sampling,
      data: data,
      pictures: PictureStage(shape: plan.data.imageShape, heldOut: data.dataset.heldOut), seed: plan.seed,
      threads: threads,
      quiet: quiet)
  }

  private func evaluation(
    _ score: (any Score)?, _ conditions: Conditions, _ data: DataInCoordinates
  ) -> EvaluationStage {
    let pathErrors =
      plan.evaluation.pathError
      ? score.map {
        PathErrors(
          process: plan.prepared, score: $0, data: data, sampling: plan.sampling, seed: plan.seed,
          threads: threads)
      } : nil
    return EvaluationStage(
      plan: plan.evaluation, solvers: plan.sampling.solvers, shape: plan.data.imageShape,
      heldOut: data.dataset.heldOut, conditions: (conditions, data.dataset.heldOutConditions), pathErrors: pathErrors,
      seed: plan.seed, threads: threads)
  }

  private func summary(_ table: SolverTable?, _ results: ResultsFolder, reused: Bool) -> String {
    var lines: [String] = []
    if reused {
      lines.append("The trained network was used again: data, process, score, training and seed are the same.")
    }
    if let table, !table.rows.isEmpty { lines.append(table.summary()) }
    let files = [
      "config.yaml", "manifest.json", "training.csv", "loss_by_time.csv", "checkpoint.safetensors", "solvers.csv",
      "samples",
    ].filter { results.exists($0) }
    lines.append("\(results.path): \(files.joined(separator: ", "))")
    return lines.joined(separator: "\n")
  }
}

/// A run that went wrong after it had begun; what was finished is kept.
public struct ExperimentFailure: Error, CustomStringConvertible, Sendable {
  public let reasons: [String]
  public let summary: String
  public var description: String { reasons.joined(separator: "\n") }
}
