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
  /// A training that can go on, with its log, from a file; and with the number of steps that it was asked for where
  /// that was another.
  case begun(TrainingState, log: TrainingLog.Kept, from: ModelStore.Entry, stepsBefore: Int?)
  /// Nothing to go on from. `stepsBefore`: a training that is like this one but for its number of steps.
  case nothing(stepsBefore: Int?)

  fileprivate var state: TrainingState? {
    switch self {
    case .finished(let state, _), .begun(let state, _, _, _): state
    case .nothing: nil
    }
  }
}

/// A file that was to be a checkpoint, and what is wrong with it.
struct DamagedCheckpoint: Codable {
  let path: String
  let reason: String
}

/// Looks for what is there of a training. A damaged file is remembered, and the one before it is taken.
struct TrainingSearch {
  let identity: TrainingIdentity
  let plan: TrainingPlan
  let layout: ParameterLayout
  let store: ModelStore
  /// The checkpoint of the results folder, and its log.
  let own: ModelStore.Entry
  /// The identity that a checkpoint's own text has, read by the present program; nil where it is of another training.
  let reread: (String) -> TrainingIdentity?
  private(set) var damaged: [DamagedCheckpoint] = []
  private var damagedFiles: Set<UInt> = []

  init(
    identity: TrainingIdentity, plan: TrainingPlan, layout: ParameterLayout, store: ModelStore, own: ModelStore.Entry,
    reread: @escaping (String) -> TrainingIdentity?
  ) {
    (self.identity, self.plan, self.layout) = (identity, plan, layout)
    (self.store, self.own, self.reread) = (store, own, reread)
  }

  /// What rank 0 finds, on all ranks; its log is known to rank 0 alone.
  mutating func runOnRoot() throws -> (KeptTraining, [DamagedCheckpoint]) {
    let ranks = Team.current
    var (found, search) = (KeptTraining.nothing(stepsBefore: nil), self)
    let told = try ranks.fromRoot { () -> Told in
      found = try search.run()
      return Told(found, search.damaged)
    }
    guard ranks.count > 1 else { return (found, told.damaged) }
    var state = found.state ?? TrainingState(initial: [Float](repeating: 0, count: layout.count))
    if told.checkpoint != nil { state.synchronise(ranks) }
    return (ranks.isRoot ? found : told.kept(state), told.damaged)
  }

  /// What ranks are told of a training, without its numbers.
  private struct Told: Codable {
    let isFinished: Bool
    let checkpoint, log: String?
    let stepsBefore: Int?
    let damaged: [DamagedCheckpoint]

    init(_ kept: KeptTraining, _ damaged: [DamagedCheckpoint]) {
      self.damaged = damaged
      switch kept {
      case .finished(_, let entry):
        (isFinished, checkpoint, log, stepsBefore) = (true, entry.checkpoint, entry.log, nil)
      case .begun(_, _, let entry, let steps):
        (isFinished, checkpoint, log, stepsBefore) = (false, entry.checkpoint, entry.log, steps)
      case .nothing(let steps):
        (isFinished, checkpoint, log, stepsBefore) = (false, nil, nil, steps)
      }
    }

    func kept(_ state: TrainingState) -> KeptTraining {
      guard let checkpoint, let log else { return .nothing(stepsBefore: stepsBefore) }
      let entry = ModelStore.Entry(checkpoint: checkpoint, log: log)
      return isFinished
        ? .finished(state, entry) : .begun(state, log: TrainingLog.Kept(), from: entry, stepsBefore: stepsBefore)
    }
  }

  mutating func run() throws -> KeptTraining {
    let finished = store.finished(identity)
    if let found = try checkpoint(finished) { return .finished(found.state, finished) }
    var begun: (checkpoint: Checkpoint, entry: ModelStore.Entry)?
    for entry in [store.unfinished(identity), store.previous(identity), own] {
      guard let found = try checkpoint(entry) else { continue }
      if found.state.step >= plan.steps { return .finished(found.state, entry) }
      if found.state.step > begun?.checkpoint.state.step ?? 0 { begun = (found, entry) }
    }
    if let begun { return self.begun(begun.checkpoint, begun.entry, stepsBefore: nil) }
    return try shorter()
  }

  private func begun(_ checkpoint: Checkpoint, _ entry: ModelStore.Entry, stepsBefore: Int?) -> KeptTraining {
    .begun(
      checkpoint.state, log: TrainingLog.Kept(notes: checkpoint.notes, csv: entry.logText), from: entry,
      stepsBefore: stepsBefore)
  }

  /// A training with another number of steps, if the first ones are the same.
  private mutating func shorter() throws -> KeptTraining {
    var best: (checkpoint: Checkpoint, entry: ModelStore.Entry, steps: Int)?
    var other: Int?
    for entry in store.family(of: identity) where !damaged.contains(where: { $0.path == entry.checkpoint }) {
      guard let (file, text) = try open(entry) else { continue }
      let theirs = TrainingIdentity(text)
      guard theirs.isFamily(of: identity), let steps = theirs.steps, steps != plan.steps else { continue }
      let found = try Checkpoint(file, layout: layout, path: entry.checkpoint)
      guard found.state.step <= plan.steps else { continue }
      var before = plan
      before.steps = steps
      guard (0..<found.state.step).allSatisfy({ before.rate(at: $0) == plan.rate(at: $0) }) else {
        other = max(other ?? 0, steps)
        continue
      }
      if found.state.step > best?.checkpoint.state.step ?? 0 { best = (found, entry, steps) }
    }
    if let best { return begun(best.checkpoint, best.entry, stepsBefore: best.steps) }
    return .nothing(stepsBefore: other)
  }

  /// The checkpoint in a file; nil where there is none, or of another training, or a damaged one.
  private mutating func checkpoint(_ entry: ModelStore.Entry) throws -> Checkpoint? {
    guard let (file, text) = try open(entry), text == identity.text || reread(text) == identity else { return nil }
    return try Checkpoint(file, layout: layout, path: entry.checkpoint)
  }

  /// A file and the text that says what it is; nil where there is none or a damaged one.
  /// - Throws: `InputError` for a file that cannot be read, or that somebody else put into the results folder: nothing
  ///   may take its place.
  private mutating func open(_ entry: ModelStore.Entry) throws -> (file: Safetensors, text: String)? {
    let path = entry.checkpoint
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw InputError("cannot be read (\(String(cString: strerror(errno))))", at: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw InputError("is not a file", at: path) }
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) else {
      throw InputError("cannot be read; it may be whole, and so nothing takes its place", at: path)
    }
    let file: Safetensors
    do {
      file = try Safetensors(decoding: data)
      if entry == own { return (file, try Checkpoint.config(of: file, path: path)) }
    } catch let error as InputError where error.location.isEmpty {
      remember(path, error, status)
      return nil
    }
    do {
      return (file, try Checkpoint.config(of: file, path: path))
    } catch let error as InputError {
      remember(path, error, status)
      return nil
    }
  }

  private mutating func remember(_ path: String, _ error: InputError, _ status: stat) {
    // The results folder has another name of the store's file.
    if damagedFiles.insert(UInt(status.st_ino)).inserted {
      damaged.append(DamagedCheckpoint(path: path, reason: error.message))
    }
  }
}
