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
  private let trainer: Trainer
  private let dataset: Dataset
  private let name, unit: String
  private let identity: TrainingIdentity
  private let store: ModelStore
  private let folder: String
  private let threads: Int
  private let quiet: Bool
  private let law: DataLaw?
  /// The numbers that were fitted to the data.
  private let coordinates: String?
  /// What is there of this training.
  private let kept: KeptTraining
  private let reread: @Sendable (String) -> TrainingIdentity?

  /// - Throws: `InputError` where a checkpoint cannot be read.
  init(
    _ experiment: Experiment, _ network: LearnedNetwork, _ training: TrainingPlan, _ data: DataInCoordinates
  ) throws {
    let plan = experiment.plan
    self.network = network
    dataset = data.seen
    coordinates = data.fitted.map { FittedNumbers.text(of: $0) }
    (name, identity, reread) = (plan.name, plan.model.identity, plan.model.reread)
    unit = plan.data.imageShape == nil ? "rows" : "images"
    (store, folder) = (experiment.store, experiment.folder)
    (threads, quiet) = (experiment.threads, experiment.quiet)
    law = data.law
    trainer = try network.problem.trainer(network.initial, data.seen, training, threads: threads)
    kept = try TrainingSearch(
      identity: identity, plan: training, layout: network.initial.network.layout, store: store,
      own: Self.entry(folder), reread: reread
    ).run()
  }

  /// The checkpoint and the log of a results folder.
  private static func entry(_ folder: String) -> ModelStore.Entry {
    ModelStore.Entry(checkpoint: "\(folder)/checkpoint.safetensors", log: "\(folder)/training.csv")
  }

  /// The weights of a finished training.
  /// - Throws: `InputError` where nobody has trained the network yet.
  func requireTrained() throws -> [Float] {
    guard case .finished(let state, _) = kept else {
      throw InputError(
        "no network trained for this config; `train` or `run` makes it", at: "\(folder)/checkpoint.safetensors")
    }
    return state.averages
  }

  /// Trains the network, unless that is done already. A training that was interrupted goes on where it stopped.
  /// - Returns: the weights, and whether a trained network was found and used again.
  /// - Throws: `ComputationError.interrupted` after a stop signal; what was trained is kept.
  func run(into folder: ResultsFolder) throws -> (weights: [Float], isReused: Bool) {
    try store.prepare(for: identity)
    let isShown = try preserve()
    if !isShown {
      // What was made with another network is no longer true.
      folder.remove("loss_by_time.csv")
      folder.remove("solvers.csv")
    }
    switch kept {
    case .finished(let state, let entry):
      if entry != store.finished(identity) { try keep(state, log: entry.logText) }
      try show(store.finished(identity))
      if !folder.exists("loss_by_time.csv") { try writeLosses(state, folder) }
      return (state.averages, true)
    case .begun(let state, let log, let stepsBefore):
      if let stepsBefore {
        note("goes on from step \(state.step) of a training of \(stepsBefore) steps, which is like this one")
      }
      return (try finish(from: state, log, folder).averages, false)
    case .nothing(let stepsBefore):
      if let stepsBefore {
        note(
          "a training of \(stepsBefore) steps is there, but its learning rates are others (decay: cosine depends on the "
            + "number of steps): this one begins anew")
      }
      return (try finish(from: trainer.initialState(), "", folder).averages, false)
    }
  }

  /// Keeps the checkpoint that the results folder shows, if it is another training's and the store does not have it.
  /// - Returns: whether it is this training's.
  private func preserve() throws -> Bool {
    let own = Self.entry(folder)
    guard own.exists else { return false }
    guard let file = try? Safetensors(reading: own.checkpoint),
      let text = try? Checkpoint.config(of: file, path: own.checkpoint)
    else { return false }
    let theirs = text == identity.text ? identity : reread(text) ?? TrainingIdentity(text)
    if theirs == identity { return true }
    let step = file.metadata["step"].flatMap { Int($0) } ?? 0
    let isFinished = theirs.steps.map { step >= $0 } ?? true
    try store.prepare(for: theirs)
    try store.adopt(own, as: isFinished ? store.finished(theirs) : store.unfinished(theirs))
    return false
  }

  private func finish(from start: TrainingState, _ log: String, _ folder: ResultsFolder) throws -> TrainingState {
    folder.remove("loss_by_time.csv")
    folder.remove("solvers.csv")
    let state = try train(from: start, log, folder)
    try writeLosses(state, folder)
    return state
  }

  private func note(_ text: String) {
    if !quiet { FileHandle.standardError.write(Data("score-sde: \(name): \(text)\n".utf8)) }
  }

  /// Takes the steps that are left.
  /// - Parameter earlier: the log of the steps before.
  private func train(
    from start: TrainingState, _ earlier: String, _ folder: ResultsFolder
  ) throws -> TrainingState {
    var state = start
    let steps = trainer.plan.steps
    var log = TrainingLog(
      every: max(1, steps / 200), batch: trainer.plan.batch, unit: unit,
      before: earlier, step: state.step, counts: trainer.plan.onNonFinite == .skip)
    let bar = ProgressBar("train \(name)", total: steps, quiet: quiet)
    let stop = StopSignals.Listener()
    var saved = ContinuousClock().now
    do {
      while state.step < steps && !stop.isAsked {
        try trainer.run(&state) { step in
          log.add(step)
          bar.show(step.number, note: log.note)
          // Every ten minutes the training is kept, in case the machine does not go on.
          return !stop.isAsked && saved.duration(to: ContinuousClock().now) < .seconds(600)
        }
        if state.step < steps && !stop.isAsked {
          try keep(state, log: log.csv)
          saved = ContinuousClock().now
        }
      }
    } catch {
      bar.finish()
      try folder.write(log.csv, to: "training.csv")
      throw error
    }
    bar.finish()
    try keep(state, log: log.csv)
    if log.skipped > 0 { warn(log) }
    if stop.isAsked { throw ComputationError.interrupted(step: state.step, of: steps) }
    return state
  }

  /// Tells of steps that changed nothing, on standard error.
  private func warn(_ log: TrainingLog) {
    let reason = log.firstSkipped.map { "; the first now: \($0)" } ?? ""
    let text = "\(log.skipped) of \(trainer.plan.steps) steps were skipped, as their numbers were not finite\(reason)"
    FileHandle.standardError.write(Data("score-sde: \(name): warning: \(text)\n".utf8))
  }

  /// Writes the training as far as it is into the store, and shows it in the results folder.
  private func keep(_ state: TrainingState, log: String) throws {
    let isFinished = state.step >= trainer.plan.steps
    let entry = isFinished ? store.finished(identity) : store.unfinished(identity)
    let checkpoint = Checkpoint(
      state: state, config: identity.text, dataDeviation: network.initial.dataDeviation, coordinates: coordinates)
    try AtomicFile.write(log, to: entry.log)
    try checkpoint.writer(layout: network.initial.network.layout).write(to: entry.checkpoint)
    try show(entry)
    if isFinished { store.unfinished(identity).remove() }
  }

  private func show(_ entry: ModelStore.Entry) throws {
    let own = Self.entry(folder)
    try ModelStore.link(entry.checkpoint, to: own.checkpoint)
    if FileManager.default.fileExists(atPath: entry.log) { try AtomicFile.write(entry.logText, to: own.log) }
  }

  private func writeLosses(_ state: TrainingState, _ folder: ResultsFolder) throws {
    let table = LossTable(
      network: network, dataset: dataset, law: law, epsilon: trainer.plan.epsilon, seed: trainer.seed, threads: threads)
    if let text = try table.csv(of: state.averages) { try folder.write(text, to: "loss_by_time.csv") }
  }
}
