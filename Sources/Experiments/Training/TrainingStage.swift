// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// The training of an experiment's network.
///
/// What is trained is kept in the store of models; `checkpoint.safetensors` of the results folder is a link to it.
struct TrainingStage {
  let network: LearnedNetwork
  let trainer: Trainer
  let dataset: Dataset
  /// Whose rows are encoded before the first step, where that takes long.
  private let data: DataInCoordinates
  private let perceptual: PerceptualRecipe?
  /// What the ends of paths at T are drawn from, and the flow that makes pairs of them; nil: pairs are at hand, or
  /// none.
  private let ends: PathEnds
  private let reflow: Reflow?
  private let experiment: Experiment
  /// What networks depend on that are trained on these data.
  private let given: String
  let name, unit: String
  let identity: TrainingIdentity
  private let interval: CheckpointInterval
  let store: ModelStore
  let folder: String
  let threads: Int
  let quiet: Bool
  let law: DataLaw?
  /// The numbers that were fitted to the data.
  let coordinates: String?
  /// What is there of this training, and the files that should have been.
  private let kept: KeptTraining
  private let damaged: [DamagedCheckpoint]
  /// Draws pictures while the network is trained; nil: there are none.
  private let preview: PreviewStage?
  /// Whether there are event files beside `training.csv`.
  private let logsEvents: Bool
  let reread: @Sendable (String) -> TrainingIdentity?

  /// - Throws: `InputError` where a checkpoint cannot be read.
  init(
    _ experiment: Experiment, _ network: LearnedNetwork, _ training: TrainingPlan, _ data: DataInCoordinates
  ) throws {
    let plan = experiment.plan
    self.network = network
    dataset = data.seen
    self.data = data
    self.experiment = experiment
    reflow = plan.model.objective.reflow
    ends = try plan.model.source.map { try $0.ends(for: data) } ?? .prior
    (perceptual, given) = (plan.model.objective.perceptual, plan.model.givenText)
    coordinates = data.fitted.map { FittedNumbers.text(of: $0) }
    (name, identity, reread) = (plan.name, plan.model.identity, plan.model.reread)
    interval = plan.model.checkpointInterval
    unit = plan.data.imageShape == nil ? "rows" : "images"
    (store, folder) = (experiment.store, experiment.folder)
    (threads, quiet) = (experiment.threads, experiment.quiet)
    law = data.law
    preview = try plan.model.preview.map { try PreviewStage($0, experiment, network, data) }
    logsEvents = plan.logsEvents
    trainer = try network.problem.trainer(
      network.initial, data.seen, training, ends: ends, teacher: experiment.teacher(of: network, data),
      initial: experiment.initialWeights(of: network, data), threads: threads)
    (kept, damaged) = try Self.search(
      identity, training, network, store, folder: folder, reread)
  }

  private static func search(
    _ identity: TrainingIdentity, _ plan: TrainingPlan, _ network: LearnedNetwork, _ store: ModelStore, folder: String,
    _ reread: @escaping (String) -> TrainingIdentity?
  ) throws -> (KeptTraining, [DamagedCheckpoint]) {
    var search = TrainingSearch(
      identity: identity, plan: plan, layout: network.initial.network.layout, store: store, own: entry(folder),
      reread: reread)
    return try search.runOnRoot()
  }

  /// The checkpoint and the log of a results folder.
  static func entry(_ folder: String) -> ModelStore.Entry {
    ModelStore.Entry(checkpoint: "\(folder)/checkpoint.safetensors", log: "\(folder)/training.csv")
  }

  /// The weights of a finished training, or of one that is not, where that is allowed.
  /// - Returns: the weights, and how far an unfinished training is.
  /// - Throws: `InputError` where nobody has trained the network yet.
  func requireTrained(allowingUnfinished isAllowed: Bool = false) throws -> (weights: [Float], progress: String?) {
    switch kept {
    case .finished(let state, _):
      warn(damaged, "the checkpoint before it is used")
      return (state.averages, nil)
    case .begun(let state, _, let entry, stepsBefore: nil) where isAllowed:
      warn(damaged, "the checkpoint before it is used")
      return (
        state.averages,
        "the network is unfinished: step \(state.step) of \(trainer.plan.steps), from \(entry.checkpoint)"
      )
    case .begun(let state, _, _, stepsBefore: nil):
      warn(damaged, "no finished network is left")
      throw InputError(
        "the network's training stopped at step \(state.step) of \(trainer.plan.steps); `train` or `run` goes on, "
          + "`sample --unfinished` takes it as it is", at: "\(folder)/checkpoint.safetensors")
    default:
      warn(damaged, "no network is left")
      throw InputError(
        "no network trained for this config; `train` or `run` makes it", at: "\(folder)/checkpoint.safetensors")
    }
  }

  /// The autoencoder of a finished training, with the scale of its latents.
  /// - Throws: `InputError` where nobody has trained it yet, or where no autoencoder is trained.
  func requireAutoencoder() throws -> Autoencoder {
    guard let autoencoder = network.initial.network as? AutoencoderNetwork else {
      throw InputError("is no autoencoder", at: "score")
    }
    let weights = try requireTrained().weights
    var known: AutoencoderScale?
    if case .finished(_, let entry) = kept {
      known = AutoencoderScale(try Team.current.fromRoot { try Safetensors(reading: entry.checkpoint).metadata })
    }
    let scale = try known ?? AutoencoderScale(autoencoder, weights, dataset, threads: threads)
    return Autoencoder(autoencoder, parameters: weights, scaling: scale.scaling, shift: scale.shift)
  }

  /// What became of a training.
  struct Outcome {
    let weights: [Float]
    /// Whether a trained network was found and used again.
    var isReused = false
    /// What a reader of the results should know.
    var notes: [String] = []
  }

  /// Trains the network, unless that is done already. A training that was interrupted goes on where it stopped.
  /// - Parameter changes: the keys of the config that the folder's last run had otherwise; nil: there was none.
  /// - Throws: `ComputationError.interrupted` after a stop signal; what was trained is kept.
  func run(into folder: ResultsFolder, changes: [String]?) throws -> Outcome {
    try requireSameIdentity()
    try store.prepare(for: identity)
    if case .finished = kept {
      store.removeDeadLock(identity)
      return try run(kept, damaged, folder, changes)
    }
    let (lock, isLate) = try store.lock(identity) { error in
      note("process \(error.process.map(String.init) ?? "?") trains this network now; waiting for it")
    }
    defer { lock?.release() }
    // Another machine may have trained it between the search and the lock.
    let isTrained = Team.current.decided { store.finished(identity).exists }
    guard isLate || isTrained else { return try run(kept, damaged, folder, changes) }
    let (kept, damaged) = try Self.search(
      identity, trainer.plan, network, store, folder: self.folder, reread)
    return try run(kept, damaged, folder, changes)
  }

  /// Ranks on several machines may have other files under the same names.
  private func requireSameIdentity() throws {
    let theirs = Team.current.decided { identity.text }
    guard theirs == identity.text else {
      throw InputError("this rank's data or config are others than those of rank 0", at: name)
    }
  }

  private func run(
    _ kept: KeptTraining, _ damaged: [DamagedCheckpoint], _ folder: ResultsFolder, _ changes: [String]?
  ) throws -> Outcome {
    let isShown = try Team.current.fromRoot { try preserve() }
    let record = TrainingRecord(folder, preview, total: trainer.plan.steps, logsEvents: logsEvents)
    record.prepare(areTrue: picturesHold(changes, kept))
    if !isShown {
      // What was made with another network is no longer true.
      for name in ["loss_by_time.csv", Self.reconstructions, "solvers.csv", "training.csv"] { folder.remove(name) }
    }
    for file in damaged { store.setAside(file) }
    switch kept {
    case .finished(let state, let entry):
      warn(damaged, "\(entry.checkpoint) is used")
      if entry != store.finished(identity) { try keep(state, csv: entry.logText, notes: [:], folder) }
      try show(store.finished(identity), csv: entry.logText, folder)
      try record.show(entry.logText, state)
      if !folder.exists(trainsAutoencoder ? Self.reconstructions : "loss_by_time.csv") {
        try writeLosses(state, folder)
      }
      return Outcome(weights: state.averages, isReused: true, notes: record.notes)
    case .begun(let state, let log, let entry, let stepsBefore):
      warn(damaged, "the training goes on from step \(state.step), which \(entry.checkpoint) has")
      if let stepsBefore {
        note("goes on from step \(state.step) of a training of \(stepsBefore) steps, which is like this one")
      }
      return Outcome(weights: try finish(from: state, log, record, folder).averages, notes: record.notes)
    case .nothing(let stepsBefore):
      warn(damaged, "there is none before it: the training begins anew")
      if let stepsBefore {
        note(
          "a training of \(stepsBefore) steps is there, but its learning rates are others (decay: cosine depends on the "
            + "number of steps): this one begins anew")
      }
      let state = try finish(from: trainer.initialState(), TrainingLog.Kept(), record, folder)
      return Outcome(weights: state.averages, notes: record.notes)
    }
  }

  /// Whether pictures and events that the folder has are of this training.
  private func picturesHold(_ changes: [String]?, _ kept: KeptTraining) -> Bool {
    guard let changes else { return false }
    return changes.allSatisfy { key in
      if key == "training.steps" {
        // A longer training that goes on from a shorter one has its pictures, too.
        if case .begun(_, _, _, stepsBefore: .some) = kept { return true }
        return false
      }
      if key == "training.preview.steps" || key.hasPrefix("training.checkpoint.") { return true }
      let others = ["name", "log", "sweep", "likelihood", "evaluation", "sampling.solvers", "sampling.trajectories"]
      return others.contains { key == $0 || key.hasPrefix($0 + ".") }
        || ["sampling.count", "sampling.format", "sampling.path"].contains(key)
    }
  }

  private func finish(
    from start: TrainingState, _ log: TrainingLog.Kept, _ record: TrainingRecord, _ folder: ResultsFolder
  ) throws -> TrainingState {
    for name in ["loss_by_time.csv", Self.reconstructions, "solvers.csv"] { folder.remove(name) }
    let state = try train(from: start, log, record, folder)
    try writeLosses(state, folder)
    return state
  }

  /// Takes the steps that are left.
  /// - Parameter earlier: the log of the steps before.
  private func train(
    from start: TrainingState, _ earlier: TrainingLog.Kept, _ record: TrainingRecord, _ folder: ResultsFolder
  ) throws -> TrainingState {
    var state = start
    let steps = trainer.plan.steps
    try encodeRows()
    let trainer = try completed()
    noteIdle(trainer)
    var log = TrainingLog(
      every: max(1, steps / 200), batch: trainer.plan.batch, unit: unit,
      before: earlier, step: state.step, counts: trainer.plan.onNonFinite == .skip)
    let bar = ProgressBar("train \(name)", total: steps, before: state.step, quiet: quiet)
    let (stop, ranks) = (StopSignals.Listener(), Team.current)
    func isAsked() -> Bool { ranks.decided { stop.isAsked } }
    var saved = (time: ContinuousClock().now, step: state.step)
    do {
      try record.begin(log, state)
      while state.step < steps && !isAsked() {
        try trainer.run(&state) { step in
          log.add(step)
          try record.update(log)
          bar.show(step.number, loss: log.loss, speed: log.speed)
          return !stop.isAsked && !record.isDue(at: step.number)
            && !interval.isDue(since: saved.time, steps: step.number - saved.step)
        }
        // Before the checkpoint, after which nobody could draw it any more.
        if record.isDue(at: state.step) {
          // A classifier that guides the picture's samples and is stopped in training stops this one, too.
          do { try record.draw(state) } catch ComputationError.interrupted {}
        }
        let isDue = ranks.decided {
          !stop.isAsked && interval.isDue(since: saved.time, steps: state.step - saved.step)
        }
        if state.step < steps, isDue {
          try keep(state, csv: log.csv, notes: log.notes, folder)
          saved = (ContinuousClock().now, state.step)
        }
      }
    } catch {
      bar.finish()
      if error is ComputationError { try record.write(log) }
      throw error
    }
    bar.finish()
    try record.write(log)
    try keep(state, csv: log.csv, notes: log.notes, folder)
    if log.skipped > 0 { warn(log) }
    record.note(trainer.objective.notes)
    if isAsked() { throw ComputationError.interrupted(step: state.step, of: steps) }
    return state
  }

  /// Takes all rows into coordinates that take long to find.
  func encodeRows() throws {
    guard data.rowsToPrepare > 0 else { return }
    let bar = ProgressBar("encode \(name)", total: data.rowsToPrepare, unit: String(unit.dropLast()), quiet: quiet)
    defer { bar.finish() }
    try data.prepare(threads: threads) { bar.advance(by: $0) }
  }

  /// The trainer with the network that its objective looks with, which is trained now where it is not there, or with
  /// the pairs that it learns, which are made now.
  private func completed() throws -> Trainer {
    if let reflow {
      let told = network.initial.network.conditionShape
      let pairs = try reflow.pairs(experiment, data, told: told, ends: ends, epsilon: trainer.plan.epsilon)
      return try network.problem.trainer(
        network.initial, dataset, trainer.plan, ends: .rows(RowSource(pairs.ends)),
        pairs: (pairs.data, pairs.conditions), threads: threads)
    }
    guard let perceptual, let autoencoder = network.initial.network as? AutoencoderNetwork else { return trainer }
    let features = try perceptual.network(
      for: autoencoder, dataset, given: given, store: store, seed: trainer.seed, threads: threads, quiet: quiet)
    return try network.problem.trainer(
      network.initial, dataset, trainer.plan, perceptual: features, threads: threads)
  }
}
