// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Tensors
import Training

/// How the network of an autoencoder's perceptual term is made and trained: on the data itself, to tell the classes of
/// pictures or the words of their texts. It is kept in the store of models beside other networks, and trained once for
/// the same data, seed and steps.
struct PerceptualRecipe: Sendable {
  /// How many steps the training has.
  let steps: Int

  private static let batch = 128
  private static let learningRate = 2e-3
  /// How many words of texts are told at most: those nearest to being in half of them.
  private static let mostWords = 256

  /// - Throws: `InputError` without a location for data of which nothing is known that a network could learn to tell.
  func check(_ data: any DataSource) throws {
    guard data.conditionShape == .text || data.conditionShape.classCount > 1 else {
      throw InputError("perceptual_weight needs data with classes or texts, which a network can learn to tell")
    }
  }

  /// The network of the data, trained.
  /// - Parameters:
  ///   - network: the autoencoder that is trained.
  ///   - dataset: its data.
  ///   - given: what a network depends on that is trained on these data.
  ///   - quiet: whether nothing is said on the way.
  func network(
    for network: AutoencoderNetwork, _ dataset: Dataset, given: String, store: ModelStore, seed: UInt64, threads: Int,
    quiet: Bool
  ) throws -> (network: FeatureNetwork, parameters: [Float]) {
    let words = try words(of: dataset)
    let a = network.architecture
    let features = FeatureNetwork(height: a.height, width: a.width, channels: a.channels, words: words.dimension)
    let identity = TrainingIdentity(given + "perceptual:\n  words: \(words.dimension)\ntraining:\n  steps: \(steps)\n")
    func known() throws -> [Float]? { try Team.current.numbers { kept(identity, features, store) } }
    if let kept = try known() { return (features, kept) }
    try store.prepare(for: identity)
    let (lock, _) = try store.lock(identity) { error in
      guard !quiet else { return }
      StandardStreams.report(
        "score-sde: process \(error.process.map(String.init) ?? "?") trains this network now; waiting for it\n")
    }
    defer { lock?.release() }
    if let kept = try known() { return (features, kept) }
    let plan = TrainingPlan(
      steps: steps, batch: Self.batch, learningRate: Self.learningRate, optimiser: .adamw, weightDecay: 0.01)
    let process = PreparedProcess(VPSDE())
    guard let kernel = process.kernel else { preconditionFailure("a process with a kernel") }
    let trainer = Trainer(
      FeatureObjective(features, times: TrainingTimes(plan, kernel: kernel, duration: process.duration)),
      data: dataset.source, conditions: .numbers(words), plan: plan, seed: seed, threads: threads)
    var state = trainer.initialState()
    let bar = ProgressBar("train the perceptual network", total: steps, quiet: quiet)
    defer { bar.finish() }
    try trainer.run(&state) { _ in
      bar.advance(by: 1)
      return true
    }
    try Checkpoint(state: state, config: identity.text).writer(layout: features.layout).write(
      to: store.finished(identity).checkpoint)
    return (features, state.averages)
  }

  /// The averages of a finished training; nil where there is none that can be read. A damaged file is set aside.
  private func kept(_ identity: TrainingIdentity, _ features: FeatureNetwork, _ store: ModelStore) -> [Float]? {
    let entry = store.finished(identity)
    guard entry.exists else { return nil }
    do {
      let file = try Safetensors(reading: entry.checkpoint)
      let checkpoint = try Checkpoint(file, layout: features.layout, path: entry.checkpoint)
      return checkpoint.config == identity.text ? checkpoint.state.averages : nil
    } catch {
      StandardStreams.report(
        "score-sde: warning: \(entry.checkpoint): damaged: \(error); the perceptual network is trained anew\n")
      store.setAside(DamagedCheckpoint(path: entry.checkpoint, reason: "\(error)"))
      return nil
    }
  }

  /// For every training row a 1 for each word that is true of it.
  private func words(of dataset: Dataset) throws -> Batch {
    let (count, conditions) = (dataset.trainingRows.count, dataset.trainingConditions)
    let own: [Set<String>] = (0..<count).map { row in
      switch conditions[row] {
      case .label(let label), .both(let label, _): [String(label)]
      case .text(let text): Set(text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init))
      case .nothing, .numbers: []
      }
    }
    var counts: [String: Int] = [:]
    for word in own.joined() { counts[word, default: 0] += 1 }
    // What is true of all pictures, or of hardly any, tells nothing.
    let telling = counts.filter { $0.value >= max(2, count / 1000) && $0.value <= count - max(2, count / 1000) }
    let ranked = telling.sorted { a, b in
      let (p, q) = (abs(2 * a.value - count), abs(2 * b.value - count))
      return (p, a.key) < (q, b.key)
    }
    let names = ranked.prefix(Self.mostWords).map(\.key).sorted()
    guard !names.isEmpty else {
      throw InputError("no word tells some pictures of the data from others; allowed: perceptual_weight: 0", at: "data")
    }
    let places = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    var words = Batch(count: count, dimension: names.count)
    for (row, own) in own.enumerated() {
      for word in own { if let place = places[word] { words[row, place] = 1 } }
    }
    return words
  }
}
