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
struct TrainingStage {
  let network: LearnedNetwork
  private let trainer: Trainer
  private let dataset: Dataset
  private let name, identity, unit: String
  private let folder: String
  private let threads: Int
  private let quiet: Bool
  private let law: DataLaw?
  /// A training of this very experiment, finished or not, found in the folder.
  private let found: TrainingState?

  /// - Throws: `InputError` where the folder has a file in the checkpoint's place that is none.
  init(_ experiment: Experiment, _ network: LearnedNetwork, _ training: TrainingPlan, _ dataset: Dataset) throws {
    let plan = experiment.plan
    self.network = network
    self.dataset = dataset
    (name, identity) = (plan.name, plan.model.identity)
    unit = plan.data.imageShape == nil ? "rows" : "images"
    (folder, threads, quiet) = (experiment.folder, experiment.threads, experiment.quiet)
    law = plan.data.law
    trainer = try network.problem.trainer(network.initial, dataset, training, threads: threads)
    found = try Self.find(experiment, network)
  }

  private static func find(_ experiment: Experiment, _ network: LearnedNetwork) throws -> TrainingState? {
    let path = "\(experiment.folder)/checkpoint.safetensors"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let file = try Safetensors(reading: path)
    guard try Checkpoint.config(of: file, path: path) == experiment.plan.model.identity else { return nil }
    return try Checkpoint(file, layout: network.initial.network.layout, path: path).state
  }

  /// The weights of a finished training.
  /// - Throws: `InputError` where nobody has trained the network yet.
  func requireTrained() throws -> [Float] {
    guard let found, found.step >= trainer.plan.steps else {
      throw InputError(
        "no network trained for this config; `train` or `run` makes it", at: "\(folder)/checkpoint.safetensors")
    }
    return found.averages
  }

  /// Trains the network, unless that is done already. A training that was interrupted goes on where it stopped.
  /// - Returns: the weights, and whether a trained network was found and used again.
  /// - Throws: `ComputationError.interrupted` after a stop signal; what was trained is kept.
  func run(into folder: ResultsFolder) throws -> (weights: [Float], isReused: Bool) {
    if let found, found.step >= trainer.plan.steps {
      if !folder.exists("loss_by_time.csv") { try writeLosses(found, folder) }
      return (found.averages, true)
    }
    // What was made with another network is no longer true.
    folder.remove("loss_by_time.csv")
    folder.remove("solvers.csv")
    let state = try train(from: found ?? trainer.initialState(), folder)
    try writeLosses(state, folder)
    return (state.averages, false)
  }

  private func train(from start: TrainingState, _ folder: ResultsFolder) throws -> TrainingState {
    var state = start
    let steps = trainer.plan.steps
    var log = TrainingLog(
      every: max(1, steps / 200), batch: trainer.plan.batch, unit: unit,
      before: state.step > 0 ? folder.text("training.csv") : nil, step: state.step)
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
          try save(state, log, folder)
          saved = ContinuousClock().now
        }
      }
    } catch {
      bar.finish()
      try folder.write(log.csv, to: "training.csv")
      throw error
    }
    bar.finish()
    try save(state, log, folder)
    if stop.isAsked { throw ComputationError.interrupted(step: state.step, of: steps) }
    return state
  }

  private func save(_ state: TrainingState, _ log: TrainingLog, _ folder: ResultsFolder) throws {
    try folder.write(log.csv, to: "training.csv")
    let checkpoint = Checkpoint(state: state, config: identity, dataDeviation: network.initial.dataDeviation)
    try checkpoint.writer(layout: network.initial.network.layout).write(to: folder.file("checkpoint.safetensors"))
  }

  private func writeLosses(_ state: TrainingState, _ folder: ResultsFolder) throws {
    let table = LossTable(
      network: network, dataset: dataset, law: law, epsilon: trainer.plan.epsilon, seed: trainer.seed, threads: threads)
    if let text = try table.csv(of: state.averages) { try folder.write(text, to: "loss_by_time.csv") }
  }
}
