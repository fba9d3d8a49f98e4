// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Processes
import Scores
import Training

/// An experiment and the folder it writes to: `train`, `sample` and `evaluate` are its stages, `run` does all three.
public struct Experiment: Sendable {
  /// What to do.
  public let plan: ExperimentPlan
  /// The kinds that the plan was decoded with.
  public let catalogue: Catalogue
  /// Where results are written.
  public let folder: String
  /// Where trained networks are kept.
  public let store: ModelStore
  /// How many workers compute; results do not depend on it.
  public let threads: Int
  /// Whether nothing is said on the way.
  public let quiet: Bool

  /// - Parameters:
  ///   - plan: what to do.
  ///   - catalogue: the kinds that the plan was decoded with.
  ///   - folder: where results go; default: `Results/NAME`.
  ///   - store: where trained networks are kept; default: what `SCORE_SDE_MODELS` names, else `Results/.models`.
  ///   - threads: default: one per processor. Results do not depend on it.
  ///   - quiet: no progress and no notes on standard error.
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

  /// The program, its kernels and the processor's instructions, in one line: where they are the same, so are numbers.
  public static var programStamp: String { Manifest.stamp }

  /// How many ranks can share a training.
  public static var mostRanks: Int { Trainer.lanes }

  /// A part of a run: training, drawing samples, judging them.
  public enum Stage: String, Sendable, CaseIterable {
    /// Trains the network, or takes it from the store.
    case train
    /// Draws samples with every solver.
    case sample
    /// Judges the samples.
    case evaluate
  }

  /// Ranks on several machines may have other files under the same names.
  private func requireSameExperiment() throws {
    let own = SHA256.text(of: plan.resolved + plan.data.fingerprint)
    guard Team.current.decided({ own }) == own else {
      throw InputError("this rank's config or data are others than those of rank 0", at: plan.name)
    }
  }

  /// Runs the stages and returns what to print: a table and paths.
  /// - Parameters:
  ///   - stages: in the order in which they are declared.
  ///   - unfinished: whether samples may be drawn from a network whose training has not come to its end.
  /// - Throws: `InputError` before anything is written; `InUseError` where another run writes to the folder;
  ///   `ExperimentFailure` after whatever could be finished was; `WriteError` where something could not be written.
  public func run(_ stages: [Stage] = Stage.allCases, unfinished: Bool = false) throws -> String {
    try ResultsFolder.requireUnused(folder)
    if Team.current.decided({ Manifest.summary(of: folder)?.runs != nil }) {
      throw InputError("holds a sweep; allowed: another --output", at: folder)
    }
    // Everything that can be refused is refused before the folder is touched.
    let data = try loadData()
    if stages.contains(.evaluate) && !plan.evaluation.metrics.isEmpty {
      try Self.requireJudges(data.dataset.heldOutRows)
    }
    let origin = try ScoreOrigin(self, data)
    // With initial weights where there are no others yet.
    try requireSolvable(guidedSolvers(origin.source, data, isRehearsal: true))
    let conditions = try conditions(of: origin.source, data)
    let (trains, samples, evaluates) = (
      stages.contains(.train), stages.contains(.sample) && !plan.model.trainsAutoencoder, stages.contains(.evaluate)
    )
    let needsScore =
      samples
      || evaluates && (plan.evaluation.pathError || plan.evaluation.mapError || !plan.evaluation.modelMetrics.isEmpty)
    var manifest = Manifest(plan, threads: threads)
    var source: ScoreSource?
    if needsScore && !trains {
      let trained = try score(origin, data, unfinished: unfinished)
      source = trained.source
      if let progress = trained.progress { tell(progress, &manifest) }
    }
    if let progress = try (plan.score as? CheckpointScoreRecipe)?.progress() { tell(progress, &manifest) }
    var table: SolverTable?
    var found: EvaluationStage.Findings?
    if plan.model.trainsAutoencoder {
      if stages == [.sample] {
        throw InputError("draws no samples: it trains an autoencoder; allowed: train, evaluate, run", at: plan.name)
      }
      table = SolverTable(experiment: plan.name, process: plan.processKind, metrics: [])
    } else if !trains && !samples {
      _ = try ResultsFolder(existing: folder)
      table = try SolverTable(
        reading: "\(folder)/solvers.csv", experiment: plan.name, process: plan.processKind,
        metrics: plan.evaluation.metrics.map(\.name))
      let drawn = Set(table?.rows.map(\.solver) ?? [])
      let missing = plan.sampling.solvers.map(\.name).filter { !drawn.contains($0) }
      if !missing.isEmpty {
        tell("no samples to judge of \(missing.joined(separator: ", ")): `sample` draws them", &manifest)
      }
    }
    try requireSameExperiment()
    let results = try ResultsFolder(creating: folder)
    let before = results.text("config.yaml")
    let changed = before.flatMap { ConfigChanges.found(from: $0, to: plan.resolved) }
    if let changes = changed?.map(\.line), !changes.isEmpty {
      let others = changes.count > 8 ? ", and \(changes.count - 8) more" : ""
      tell("changed since the last run in \(folder): \(changes.prefix(8).joined(separator: ", "))\(others)", &manifest)
    }
    func timed<Value>(_ stage: Stage, _ body: () throws -> Value) rethrows -> Value {
      let start = ContinuousClock().now
      defer { manifest.seconds[stage.rawValue] = start.duration(to: ContinuousClock().now).seconds }
      return try body()
    }
    var failure: (any Error)?
    do {
      try results.write(plan.resolved, to: "config.yaml")
      if trains {
        try timed(.train) {
          switch origin {
          case .ready(let ready): source = ready
          case .trained(let training, _):
            let trained = try training.run(into: results, changes: changed?.map(\.key))
            manifest.trainingReused = trained.isReused
            for note in trained.notes { tell(note, &manifest) }
            if needsScore { source = try score(data, learned: training.network.source(trained.weights)) }
          }
        }
      }
      var bound = needsScore ? try source.map { try guidedSolvers($0, data) } : nil
      let begins = samples || evaluates && (plan.evaluation.pathError || plan.evaluation.mapError)
      let startStates = begins ? try source.flatMap { try self.startStates($0, data) } : nil
      if begins, let guided = bound {
        let placed = try withOptimisedTimes(guided, data, startStates)
        bound = placed.solvers
        for note in placed.notes { tell(note, &manifest) }
        if samples { try placed.write(to: results) }
      }
      if samples, let bound {
        let isRepeat = before == plan.resolved && results.exists("solvers.csv")
        let (sampled, failures, notes) = try timed(.sample) {
          let field = try source.flatMap { try fieldFigure($0, data) }
          return try sampling(
            bound, data, conditions, startStates, field: field, isRepeat: isRepeat, isJudged: evaluates
          ).run(into: results)
        }
        table = sampled
        manifest.failures += failures
        for note in notes { tell(note, &manifest) }
      }
      if evaluates, let sampled = table {
        let findings = try timed(.evaluate) {
          try evaluation(bound, source, conditions, data, startStates).run(sampled, in: results)
        }
        found = findings
        table = findings.table
        manifest.failures += findings.failures
        for note in findings.notes { tell(note, &manifest) }
      }
    } catch let error as ComputationError {
      manifest.failures.append(error.description)
    } catch {
      manifest.failures.append("\(error)")
      failure = error
    }
    let solvers = table.map {
      SolverSummary($0, data: found?.data ?? [:], distinctions: found?.distinctions ?? [:])
    }
    // The summary has these, too.
    manifest.notes += solvers?.blindness() ?? []
    manifest.finished = Manifest.now()
    manifest.peakMemoryMib = Manifest.peakMemory
    do {
      try results.finish(manifest)
    } catch {
      // One line, about what went wrong first.
      failure = failure ?? error
    }
    if let failure { throw failure }
    let summary = summary(solvers, results, manifest)
    if !manifest.failures.isEmpty { throw ExperimentFailure(reasons: manifest.failures, summary: summary) }
    return summary
  }

  /// Says what a reader of the results should know, now and in the manifest.
  private func tell(_ note: String, _ manifest: inout Manifest) {
    manifest.notes.append(note)
    if !quiet { StandardStreams.report("score-sde: \(plan.name): \(note)\n") }
  }

  /// Refuses more held-out rows than metrics can hold, 16 GiB of them.
  private static func requireJudges(_ rows: any DataRows) throws {
    let (values, overflow) = rows.count.multipliedReportingOverflow(by: rows.dimension)
    guard overflow || values > 1 << 31 else { return }
    throw InputError(
      "metrics hold all held-out rows, 8 bytes a value: \(rows.count) rows of \(rows.dimension) are more than 2³¹ values; "
        + "allowed: fewer, as of held_out: {share: 0.01}", at: "data")
  }

  /// The data, and what a model sees of them.
  func loadData() throws -> DataInCoordinates {
    let fitted = try plan.model.coordinates.isEmpty ? nil : plan.score.fittedCoordinates()
    return try plan.places.placed {
      try DataInCoordinates(plan.data, recipes: plan.model.coordinates, fitted: fitted, seed: plan.seed)
    }
  }

  private func sampling(
    _ solvers: [GuidedSolver], _ data: DataInCoordinates, _ conditions: Conditions, _ startStates: Batch?,
    field: FieldFigure?, isRepeat: Bool, isJudged: Bool
  ) -> SamplingStage {
    SamplingStage(
      name: plan.name, process: plan.prepared, processKind: plan.processKind, solvers: solvers, plan: plan.sampling,
      data: data, captions: CaptionFile(conditions, of: plan.data, count: plan.sampling.count),
      pictures: PictureStage(
        shape: plan.data.imageShape, heldOut: data.dataset.heldOutRows, columns: plan.data.columnNames,
        law: plan.data.law, formats: plan.sampling.figures),
      field: field, seed: plan.seed, overrides: plan.overrides, startStates: startStates,
      repeats: plan.evaluation.repeats, threads: threads,
      quiet: quiet, isRepeat: isRepeat, isJudged: isJudged)
  }

  /// The arrows of the score that were asked for; all with the condition of the first sample.
  private func fieldFigure(_ source: ScoreSource, _ data: DataInCoordinates) throws -> FieldFigure? {
    guard !plan.sampling.field.isEmpty else { return nil }
    let conditions = try plan.sampling.condition.conditions(
      for: plan.sampling.told(source), count: max(1, plan.sampling.count), of: data.dataset)
    let names = plan.data.columnNames ?? SampleFile.columns(2)
    return FieldFigure(
      score: try samplingScore(source, data, given: .all(conditions[0])), process: plan.prepared,
      data: data.seen.heldOutRows, names: data.coordinates == nil ? names : names.map { "\($0), in coordinates" },
      times: plan.sampling.field, seed: plan.seed)
  }

  private func evaluation(
    _ guided: [GuidedSolver]?, _ source: ScoreSource?, _ conditions: Conditions, _ data: DataInCoordinates,
    _ startStates: Batch?
  ) throws -> EvaluationStage {
    let observation = try guidanceProblem(data).observation
    let observed = try plan.sampling.observation?.observed(in: data.dataset, seed: plan.seed)
    let posterior =
      conditions == .nothing
      ? observation.flatMap { PosteriorRows($0, data, count: plan.sampling.count, seed: plan.seed) } : nil
    var evaluation = plan.evaluation.completed(for: data.dataset, conditions, count: plan.sampling.count)
    var notes: [String] = []
    if observation != nil {
      notes.append(
        posterior == nil
          ? "samples are given an observation, and compared with held-out rows that are not"
          : "samples are compared with draws of the exact posterior")
    }
    // Draws of a posterior are no rows that anybody learned from.
    if posterior != nil { evaluation = evaluation.without { $0.usesTraining } }
    let leftOut = evaluation.leftOut(
      trainingRows: data.dataset.trainingRows.count, dimension: data.dataset.trainingRows.dimension,
      samples: plan.sampling.count, heldOutRows: data.dataset.heldOutRows.count)
    let rows = JudgedRows(
      plan.data, posterior?.dataset ?? data.dataset, conditions: posterior?.conditions ?? conditions,
      drawsFurther: posterior == nil, truth: observed?.truth, count: plan.sampling.count,
      usesTraining: evaluation.metrics.contains { $0.metric.usesTraining && !leftOut.contains($0.name) },
      seed: plan.seed, bootstrap: evaluation.bootstrap, threads: threads)
    let pathErrors =
      evaluation.pathError
      ? try guided.map {
        try PathErrors(
          process: plan.prepared, solvers: $0, data: data, sampling: plan.sampling,
          startStates: startStates, seed: plan.seed, threads: threads)
      } : nil
    var mapErrors: MapErrors?
    if evaluation.mapError, let guided {
      let exact = try ExactScoreRecipe().resolve(in: guidanceProblem(data).scoreSetting).score(given: conditions)
      mapErrors = try MapErrors(
        process: plan.prepared, exact: exact, solvers: guided, data: data, sampling: plan.sampling,
        startStates: startStates, seed: plan.seed, threads: threads)
    }
    let model =
      evaluation.modelMetrics.isEmpty
      ? nil
      : try source.map {
        JudgedModel(
          self, data, rows.groups[0].reference, $0,
          exact: evaluation.modelMetrics.contains { $0.metric.usesExactScore }
            ? try ExactScoreRecipe().resolve(in: guidanceProblem(data).scoreSetting) : nil)
      }
    let judgements = (evaluation.metrics.count - leftOut.count) * rows.groups.count
    let solvers = plan.sampling.solvers.count
    let figures =
      judgements * (1 + solvers * evaluation.repeats) + (pathErrors == nil ? 0 : solvers)
      + (mapErrors == nil ? 0 : solvers)
      + (model == nil ? 0 : evaluation.modelMetrics.count)
    return EvaluationStage(
      plan: evaluation, solvers: plan.sampling.solvers, rows: rows,
      dimension: data.dataset.heldOutRows.dimension, pathErrors: pathErrors, mapErrors: mapErrors, model: model,
      leftOut: leftOut, notes: notes,
      progress: ProgressBar("judge \(plan.name)", total: figures, unit: "figure", quiet: quiet))
  }

  private func summary(_ solvers: SolverSummary?, _ results: ResultsFolder, _ manifest: Manifest) -> String {
    var lines: [String] = []
    if manifest.trainingReused {
      lines.append("The trained network was used again: data, process, score, training and seed are the same.")
    }
    if let solvers, !solvers.table.rows.isEmpty { lines.append(solvers.text) }
    let files = [
      "config.yaml", "manifest.json", "training.csv", TrainingPreview.folder, TrainingEvents.folder,
      "loss_by_time.csv", "\(Reconstructions.name).png", "checkpoint.safetensors", "solvers.csv", "evaluation.csv",
      "samples",
    ].filter { results.exists($0) }
    lines.append("\(results.path): \(files.joined(separator: ", "))")
    return lines.joined(separator: "\n")
  }
}

/// A run that went wrong after it had begun; what was finished is kept.
public struct ExperimentFailure: Error, CustomStringConvertible, Sendable {
  /// What went wrong, a line each.
  public let reasons: [String]
  /// What to print of what was finished.
  public let summary: String

  /// - Parameters:
  ///   - reasons: a line each.
  ///   - summary: what to print of what was finished.
  public init(reasons: [String], summary: String) { (self.reasons, self.summary) = (reasons, summary) }

  public var description: String { reasons.joined(separator: "\n") }
}
