// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Training

/// What a training leaves in the store of models and in the results folder.
extension TrainingStage {
  /// Keeps the checkpoint that the results folder shows, if it is another training's and the store does not have it.
  /// - Returns: whether it is this training's.
  func preserve() throws -> Bool {
    let own = Self.entry(folder)
    guard own.exists else { return false }
    // One that cannot be read now may be whole, and this training's.
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: own.checkpoint), options: .mappedIfSafe) else {
      throw InputError("cannot be read; it may be whole, and so nothing takes its place", at: own.checkpoint)
    }
    guard let file = try? Safetensors(decoding: data),
      let text = try? Checkpoint.config(of: file, path: own.checkpoint)
    else { return false }
    let theirs = text == identity.text ? identity : reread(text) ?? TrainingIdentity(text)
    if theirs == identity { return true }
    let step = file.metadata["step"].flatMap { Int($0) } ?? 0
    let isFinished = theirs.steps.map { step >= $0 } ?? true
    try store.prepare(for: theirs)
    let kept = isFinished ? store.finished(theirs) : store.unfinished(theirs)
    try store.adopt(own, as: kept)
    // Rows of this training will stand beside it.
    if kept.isSameFile(as: own) { unlink(own.checkpoint) }
    return false
  }

  /// Writes the training as far as it is into the store, and shows it in the results folder. The last unfinished
  /// checkpoint becomes the one before the last.
  func keep(_ state: TrainingState, csv: String, notes: [String: String], _ folder: ResultsFolder) throws {
    try Team.current.onRoot { try keepOnRoot(state, csv: csv, notes: notes, folder) }
  }

  func keepOnRoot(
    _ state: TrainingState, csv: String, notes: [String: String], _ folder: ResultsFolder
  ) throws {
    let isFinished = state.step >= trainer.plan.steps
    let entry = isFinished ? store.finished(identity) : store.unfinished(identity)
    if isFinished {
      if !csv.isEmpty { try AtomicFile.write(csv, to: entry.log) }
    } else if entry.exists {
      try AtomicFile.link(entry.checkpoint, to: store.previous(identity).checkpoint)
    }
    let checkpoint = Checkpoint(
      state: state, config: identity.text, dataDeviation: network.initial.dataDeviation, coordinates: coordinates,
      classes: network.occurringClasses, notes: isFinished ? try finalNotes(state) : notes)
    try checkpoint.writer(layout: network.initial.network.layout).write(to: entry.checkpoint)
    try show(entry, csv: csv, folder)
    if isFinished {
      store.unfinished(identity).remove()
      store.previous(identity).remove()
    }
  }

  /// What a finished checkpoint says beside its tensors: of an autoencoder the scale of its latents.
  func finalNotes(_ state: TrainingState) throws -> [String: String] {
    guard let autoencoder = network.initial.network as? AutoencoderNetwork else { return [:] }
    return try AutoencoderScale(autoencoder, state.averages, dataset, threads: threads).metadata
  }

  var trainsAutoencoder: Bool { network.initial.network is AutoencoderNetwork }
  static let reconstructions = "\(Reconstructions.name).png"

  func show(_ entry: ModelStore.Entry, csv: String, _ folder: ResultsFolder) throws {
    try folder.link(entry.checkpoint, as: "checkpoint.safetensors")
    if !csv.isEmpty { try folder.write(csv, to: "training.csv") }
  }

  func writeLosses(_ state: TrainingState, _ folder: ResultsFolder) throws {
    if trainsAutoencoder {
      let pictures = try Reconstructions(network.initial.network, state.averages, dataset, threads: threads)
      return try folder.write(try pictures.figure(title: name).png(), to: Self.reconstructions)
    }
    try encodeRows()
    let table = LossTable(
      network: network, dataset: dataset, law: law, epsilon: trainer.plan.epsilon, seed: trainer.seed, threads: threads)
    if let text = try table.csv(of: state.averages) { try folder.write(text, to: "loss_by_time.csv") }
  }
}
