// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Tensors
import Training

/// What is already there of a training: in the store of models, or in the results folder of an experiment that was run
/// before there was a store.
enum KeptTraining {
  /// The network that is asked for.
  case finished(TrainingState, ModelStore.Entry)
  /// A training that can go on, with its log, and with the number of steps that it was asked for where that was
  /// another.
  case begun(TrainingState, log: String, stepsBefore: Int?)
  /// Nothing to go on from. `stepsBefore`: a training that is like this one but for its number of steps.
  case nothing(stepsBefore: Int?)
}

/// Looks for what is there of a training.
struct TrainingSearch {
  let identity: TrainingIdentity
  let plan: TrainingPlan
  let layout: ParameterLayout
  let store: ModelStore
  /// The checkpoint of the results folder, and its log.
  let own: ModelStore.Entry
  /// The identity that a checkpoint's own text has, read by the present program; nil where it is of another training.
  let reread: (String) -> TrainingIdentity?

  func run() throws -> KeptTraining {
    let finished = store.finished(identity)
    if finished.exists, let state = try state(finished) { return .finished(state, finished) }
    var begun: (state: TrainingState, entry: ModelStore.Entry)?
    for entry in [store.unfinished(identity), own] where entry.exists {
      guard let state = try state(entry) else { continue }
      if state.step >= plan.steps { return .finished(state, entry) }
      if state.step > begun?.state.step ?? 0 { begun = (state, entry) }
    }
    if let begun { return .begun(begun.state, log: begun.entry.logText, stepsBefore: nil) }
    return try shorter()
  }

  /// A training with another number of steps, if the first ones are the same.
  private func shorter() throws -> KeptTraining {
    var best: (state: TrainingState, entry: ModelStore.Entry, steps: Int)?
    var other: Int?
    for entry in store.family(of: identity) {
      guard let file = try? Safetensors(reading: entry.checkpoint),
        let text = try? Checkpoint.config(of: file, path: entry.checkpoint)
      else { continue }
      let theirs = TrainingIdentity(text)
      guard theirs.isFamily(of: identity), let steps = theirs.steps, steps != plan.steps else { continue }
      let state = try Checkpoint(file, layout: layout, path: entry.checkpoint).state
      guard state.step <= plan.steps else { continue }
      var before = plan
      before.steps = steps
      guard (0..<state.step).allSatisfy({ before.rate(at: $0) == plan.rate(at: $0) }) else {
        other = max(other ?? 0, steps)
        continue
      }
      if state.step > best?.state.step ?? 0 { best = (state, entry, steps) }
    }
    if let best { return .begun(best.state, log: best.entry.logText, stepsBefore: best.steps) }
    return .nothing(stepsBefore: other)
  }

  /// The state in a file; nil where it is of another training.
  private func state(_ entry: ModelStore.Entry) throws -> TrainingState? {
    let file = try Safetensors(reading: entry.checkpoint)
    let text = try Checkpoint.config(of: file, path: entry.checkpoint)
    guard text == identity.text || reread(text) == identity else { return nil }
    return try Checkpoint(file, layout: layout, path: entry.checkpoint).state
  }
}
