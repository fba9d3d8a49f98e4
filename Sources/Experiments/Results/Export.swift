// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

extension Experiment {
  /// Writes the trained U-Net, with its averaged weights, as a pipeline's folder: `unet/` for diffusers' `UNet2DModel`,
  /// and, where diffusers has a scheduler of the process, `scheduler/` and `model_index.json`, for `DDPMPipeline`. One
  /// that is told texts, in the latents of an autoencoder, becomes a whole `StableDiffusionPipeline`; adapters of low
  /// rank become `pytorch_lora_weights.safetensors`. A trained autoencoder becomes `vae/`, for `AutoencoderKL`, with
  /// the scale of its latents.
  /// - Returns: a line for everything that such a folder has no place for.
  /// - Throws: `InputError`, before anything is written, where the results folder holds another training's network than
  ///   the config's, or none is trained.
  @discardableResult public func exportNetwork(to path: String) throws -> [String] {
    if plan.model.trainsAutoencoder {
      try requireOwnCheckpoint()
      try AutoencoderFolder.write(try trainedAutoencoder(), to: "\(path)/vae")
      return []
    }
    let adapted = (plan.network as? TextNetwork)?.inner ?? plan.network
    if let adapted = adapted as? LowRankNetwork { return try exportAdapters(of: adapted, to: path) }
    if let network = plan.network as? TextNetwork { return try exportPipeline(of: network, to: path) }
    guard let recipe = plan.score.network, let network = plan.network as? any DiffusersExporting else {
      throw InputError("only a U-Net of this experiment can be saved for diffusers", at: "score")
    }
    guard !(plan.network?.takesSecond ?? false) else {
      throw InputError("a network of two noise levels (second: true), which diffusers does not have", at: "score")
    }
    try requireOwnCheckpoint()
    let weights = try trainedWeights()
    let files = try network.diffusersConfigs(levels: exportedLevels(network), prediction: recipe.prediction)
    let unet = "\(path)/unet"
    for folder in files.scheduler == nil ? [unet] : [unet, "\(path)/scheduler"] {
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw InputError("this folder cannot be made", at: folder)
      }
    }
    // Whoever reads the folder meanwhile finds no pipeline of old and new parts.
    unlink("\(path)/model_index.json")
    try network.diffusersWeights(weights).write(to: "\(unet)/diffusion_pytorch_model.safetensors")
    try AtomicFile.write(files.model, to: "\(unet)/config.json")
    if let scheduler = files.scheduler {
      try AtomicFile.write(scheduler.config, to: "\(path)/scheduler/scheduler_config.json")
      try AtomicFile.write(scheduler.index, to: "\(path)/model_index.json")
    } else {
      unlink("\(path)/scheduler/scheduler_config.json")
    }
    Self.removeEarlierExport(path)
    return lostInExport(network, recipe.prediction, hasScheduler: files.scheduler != nil)
  }

  /// Writes trained adapters alone, as diffusers' `load_lora_weights` reads them.
  private func exportAdapters(of network: LowRankNetwork, to path: String) throws -> [String] {
    try requireOwnCheckpoint()
    var weights = try trainedWeights()
    var lost: [String] = []
    if let whole = plan.network as? TextNetwork {
      if whole.trainsEncoder {
        lost.append("score.network.train_text: a file of adapters has no place for the text encoder that was trained")
      }
      weights = whole.innerParameters(weights)
    }
    try ResultsFolder.make(path)
    try LowRankFile.writer(of: network, parameters: weights).write(to: "\(path)/pytorch_lora_weights.safetensors")
    return lost
  }

  /// Writes text encoder, tokenizer, U-Net and autoencoder.
  private func exportPipeline(of network: TextNetwork, to path: String) throws -> [String] {
    guard let recipe = plan.score.network else { throw InputError("is no network", at: "score") }
    guard plan.model.coordinates.count == 1,
      let autoencoder = (try loadData().coordinates?.maps.first as? AutoencoderCoordinates)?.autoencoder
    else {
      throw InputError(
        "a StableDiffusionPipeline draws latents; allowed: [{kind: autoencoder, path: …}] alone", at: "coordinates")
    }
    guard let process = plan.process as? any VariancePreserving else {
      throw InputError(
        "diffusers has no scheduler for \(plan.processKind); allowed: a variance-preserving one", at: "process")
    }
    try requireOwnCheckpoint()
    let parts = PipelineParts(
      network: network, parameters: try trainedWeights(), autoencoder: autoencoder, schedule: process.schedule,
      prediction: recipe.prediction)
    do {
      try parts.write(to: path)
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: "score")
    }
    return []
  }

  /// The noise levels that a scheduler of diffusers can have.
  private func exportedLevels(_ network: any DiffusersExporting) -> DiffusersLevels? {
    if network.noiseInput != .logNoiseToSignal {
      return (plan.process as? any VariancePreserving).map { .discrete($0.schedule) }
    }
    guard network.takesRawInput, let sigmas = (plan.process as? VESDE)?.schedule as? GeometricSigma else { return nil }
    return .exploding(sigmas)
  }

  /// Refuses a config whose training is not that of the checkpoint in the results folder: the weights would be others
  /// than those that the folder shows.
  private func requireOwnCheckpoint() throws {
    let path = "\(folder)/checkpoint.safetensors"
    guard FileManager.default.fileExists(atPath: path) else { return }
    let text = try Checkpoint.config(of: try Safetensors(reading: path), path: path)
    let theirs = plan.model.reread(text) ?? TrainingIdentity(text)
    guard theirs != plan.model.identity, text != plan.model.identity.text else { return }
    let change = theirs.firstDifference(from: plan.model.identity).map { ": \($0)" } ?? ""
    throw InputError(
      "is of another training than the config\(change); allowed: the config that it was trained by, or --output with "
        + "the folder of this one", at: path)
  }

  /// Earlier programs wrote the network's files into the folder itself, where readers would find them first.
  private static func removeEarlierExport(_ path: String) {
    guard let data = FileManager.default.contents(atPath: "\(path)/config.json"),
      let config = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      config["_class_name"] as? String == "UNet2DModel"
    else { return }
    for name in ["config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors"] {
      unlink("\(path)/\(name)")
    }
  }

  private func lostInExport(
    _ network: any DiffusersExporting, _ prediction: Prediction, hasScheduler: Bool
  ) -> [String] {
    var lost: [String] = []
    if plan.model.training == nil {
      lost.append("training: the config has none; the weights are those that the network came with")
    }
    if !hasScheduler {
      lost.append(
        "process: diffusers has no scheduler for \(plan.processKind) with prediction \(prediction.rawValue); only unet/ is "
          + "written, and its network wants x scaled to unit variance, which diffusers does not do")
    }
    if !plan.model.coordinates.isEmpty {
      lost.append("coordinates: a diffusers folder has none; its samples are in coordinates, not in the data's units")
    }
    if network.conditionShape.classCount > 0, hasScheduler {
      lost.append(
        "score.network: diffusers' pipelines tell a network no class; UNet2DModel.from_pretrained(FOLDER, "
          + "subfolder=\"unet\") takes class_labels")
    }
    if plan.model.training?.conditionDropout ?? 0 > 0 {
      lost.append("training.condition_dropout: a diffusers folder has no embedding of nothing; the classes' are there")
    }
    return lost
  }
}

extension TrainingIdentity {
  /// The first key whose value is not the other's, with both values; nil where the texts have no such line.
  func firstDifference(from other: TrainingIdentity) -> String? {
    let (mine, theirs) = (Self.values(text), Self.values(other.text))
    func value(_ key: String, _ values: [(key: String, value: String)]) -> String {
      values.first { $0.key == key }?.value ?? "missing"
    }
    for key in mine.map(\.key) + theirs.map(\.key) where value(key, mine) != value(key, theirs) {
      return "\(key) is \(value(key, mine)), and \(value(key, theirs)) in the config"
    }
    return nil
  }

  /// The values of a resolved config by their dotted keys.
  private static func values(_ text: String) -> [(key: String, value: String)] {
    var path: [String] = []
    var values: [(key: String, value: String)] = []
    for line in text.split(separator: "\n") {
      let depth = line.prefix { $0 == " " || $0 == "-" }.count / 2
      let parts = line.drop { $0 == " " || $0 == "-" }.split(separator: ":", maxSplits: 1)
      guard let key = parts.first else { continue }
      path = path.prefix(depth) + [String(key)]
      let value = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
      values.append((path.joined(separator: "."), value))
    }
    return values
  }
}
