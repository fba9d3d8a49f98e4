// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Tensors
import Training

/// Whose probability flow a network learns to map along: `training.objective.teacher`.
public enum TeacherRecipe: Sendable, Equatable {
  /// Nobody's: the data alone.
  case none
  /// The flow of the exact score of the data's law.
  case exact
  /// That of a trained network, in this file.
  case checkpoint(String)

  private static let allowed = "a results folder or checkpoint.safetensors"

  /// Reads `teacher`.
  /// - Parameter isNeeded: whether there must be one.
  init(_ options: Options, isNeeded: Bool) throws {
    let (word, path) = try options.file(
      "teacher", orOneOf: isNeeded ? ["exact"] : ["none", "exact"], allowed: Self.allowed,
      isNeeded
        ? "whose flow is learned: that of the data's exact score, or of a trained network"
        : "whose flow is learned: none is the data's own, else that of its exact score, or of a trained network")
    self = path.map { .checkpoint(Self.file($0)) } ?? (word == "exact" ? .exact : .none)
  }

  /// A checkpoint, by its path or that of its results folder.
  static func file(_ path: String) -> String {
    path.hasSuffix(".safetensors") ? path : "\(path)/checkpoint.safetensors"
  }

  /// The checksum of a checkpoint.
  static func fingerprint(ofFile path: String) throws -> String {
    guard let text = SHA256.text(ofFile: path) else {
      throw InputError("'\(path)' cannot be read; allowed: \(allowed)")
    }
    return text
  }
}

extension Experiment {
  private func setting(_ data: DataInCoordinates) -> ScoreSetting {
    let plan = plan.model
    return ScoreSetting(
      process: plan.prepared, data: data.source, dataset: data.seen, coordinates: plan.coordinatesText,
      seed: plan.seed, catalogue: catalogue, learned: nil)
  }

  /// Whose flow a training's network learns; nil: nobody's.
  /// - Throws: `InputError` for a teacher of other data, conditions or processes.
  func teacher(of network: LearnedNetwork, _ data: DataInCoordinates) throws -> Teacher? {
    let place = "training.objective.teacher"
    switch plan.model.objective.teacher {
    case nil, .some(.none): return nil
    case .exact: return .score(try ExactScoreRecipe().resolve(in: setting(data)).score(given: .nothing))
    case .checkpoint(let path):
      let taught = try CheckpointScoreRecipe(path: path).learned(in: setting(data))
      guard taught.model.map?.isScore ?? true else {
        throw InputError("its network is a flow map alone; a teacher is a score", at: place)
      }
      guard taught.model.kernel.isScalar else {
        throw InputError("its network is of a process with matrices; allowed: one with a scalar kernel", at: place)
      }
      let (own, theirs) = (network.initial.network.conditionShape, taught.model.network.conditionShape)
      guard own == theirs else {
        throw InputError("its network is told \(theirs.text), the student \(own.text); allowed: the same", at: place)
      }
      guard !network.dropsConditions || taught.model.knowsNothing else {
        throw InputError("its network was never told nothing; allowed: condition_dropout: 0", at: place)
      }
      return .network(taught.model)
    }
  }

  /// The weights that a training begins with, where its config names a checkpoint; nil: the network's own.
  /// - Throws: `InputError` for those of another network.
  func initialWeights(of network: LearnedNetwork, _ data: DataInCoordinates) throws -> [Float]? {
    guard let path = plan.model.initial else { return nil }
    let place = "training.initial"
    let (own, theirs) = (network.initial, try CheckpointScoreRecipe(path: path).learned(in: setting(data)).model)
    guard own.prediction == theirs.prediction else {
      throw InputError(
        "its prediction is \(theirs.prediction.rawValue), that of the score \(own.prediction.rawValue); allowed: the "
          + "same", at: place)
    }
    guard own.prediction != .edm || abs(own.dataDeviation / theirs.dataDeviation - 1) < 1e-9 else {
      throw InputError(
        "its sigma_data is \(theirs.dataDeviation), that of the score \(own.dataDeviation); allowed: the same",
        at: place)
    }
    guard own.network.noiseInput == theirs.network.noiseInput else {
      throw InputError("its network is told the noise level otherwise; allowed: the same features of time", at: place)
    }
    var known: [String: (shape: [Int], values: [Float])] = [:]
    theirs.network.layout.forEachTensor(of: theirs.parameters) { known[$0.name] = ($0.shape, $1) }
    let weights = own.network.layout
    var values: [String: [Float]] = [:]
    weights.forEachTensor(of: own.parameters) { values[$0.name] = $1 }
    return try weights.buffer { part in
      // The network of every step begins as one without steps, and a companion as the network.
      let origin = StepNetworks.origins(of: part.name).lazy.compactMap { known[$0] }.first
      if let origin, origin.shape == part.shape { return origin.values }
      // A network of one noise level becomes one of two, which begins as it was; so does one that gets a divergence,
      // or a weight of the loss.
      let isNew = ["second_embedding.", "divergence.", "loss_weight."].contains { part.name.contains($0) }
      if isNew, known[part.name] == nil, let own = values[part.name] { return own }
      throw InputError("its network has other layers: no '\(part.name)' of shape \(part.shape)", at: place)
    }
  }
}
