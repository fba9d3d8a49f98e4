// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Processes

/// The parts of a `StableDiffusionPipeline`, for diffusers to load.
public struct PipelineParts: Sendable {
  /// Text encoder, tokenizer and U-Net.
  public let network: TextNetwork
  /// The parameters of `network`.
  public let parameters: [Float]
  /// Between pictures and latents.
  public let autoencoder: Autoencoder
  /// The noise levels that the network was trained for.
  public let schedule: any BetaSchedule
  /// What the network's output stands for: noise, data or velocity.
  public let prediction: Prediction

  /// - Parameters:
  ///   - network: text encoder, tokenizer and U-Net.
  ///   - parameters: a flat buffer of its layout.
  ///   - autoencoder: between pictures and latents.
  ///   - schedule: of the variance-preserving process that the network was trained for.
  ///   - prediction: what its output stands for.
  public init(
    network: TextNetwork, parameters: [Float], autoencoder: Autoencoder, schedule: any BetaSchedule,
    prediction: Prediction
  ) {
    precondition(parameters.count == network.layout.count, "parameters of another network")
    (self.network, self.parameters, self.autoencoder) = (network, parameters, autoencoder)
    (self.schedule, self.prediction) = (schedule, prediction)
  }

  /// Writes unet, vae, text_encoder, tokenizer, scheduler and model_index.json.
  /// - Parameter folder: is made where it is missing.
  /// - Throws: `InputError` for parts that diffusers has no words for, and where the folder cannot be made;
  ///   `WriteError`.
  public func write(to folder: String) throws {
    guard let unet = network.inner as? UNet, unet.architecture.context != nil,
      let tokenizer = network.tokenizer as? CLIPTokenizer
    else {
      throw InputError("only a U-Net that is told texts by CLIP's tokenizer is saved as a StableDiffusionPipeline")
    }
    let types: [Prediction: String] = [.noise: "epsilon", .data: "sample", .velocity: "v_prediction"]
    guard let type = types[prediction] else {
      throw InputError("prediction \(prediction.rawValue): diffusers' schedulers allow noise, data, velocity")
    }
    let configs = try DiffusersFolder.configs(of: unet, levels: nil, prediction: prediction)
    let encoder = try TextEncoderFolder.config(of: network.encoder, tokenizer: tokenizer)
    for name in ["unet", "text_encoder", "tokenizer", "scheduler"] {
      do {
        try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
      } catch {
        throw InputError("this folder cannot be made", at: "\(folder)/\(name)")
      }
    }
    // Whoever reads the folder meanwhile finds no pipeline of old and new parts.
    unlink("\(folder)/model_index.json")
    func write(_ data: Data, to name: String) throws {
      try data.withUnsafeBytes { try AtomicFile.write($0, to: "\(folder)/\(name)") }
    }
    try DiffusersFolder.weights(of: unet, parameters: network.innerParameters(parameters)).write(
      to: "\(folder)/unet/diffusion_pytorch_model.safetensors")
    try write(configs.model, to: "unet/config.json")
    try TextEncoderFolder.weights(of: network.encoder, parameters: network.encoderParameters(parameters)).write(
      to: "\(folder)/text_encoder/model.safetensors")
    try write(encoder, to: "text_encoder/config.json")
    for file in TokenizerFolder.files(of: tokenizer) { try write(file.bytes, to: "tokenizer/\(file.name)") }
    try AutoencoderFolder.write(autoencoder, to: "\(folder)/vae")
    try write(DiffusersFolder.encoded(scheduler(type, levels: unet.levels)), to: "scheduler/scheduler_config.json")
    try write(DiffusersFolder.encoded(Self.index), to: "model_index.json")
  }

  /// DDIM's, which other schedulers of diffusers can be made from.
  private func scheduler(_ type: String, levels: Int) -> [String: Any] {
    [
      "_class_name": "DDIMScheduler", "_diffusers_version": DiffusersFolder.version, "num_train_timesteps": levels,
      "trained_betas": DiscreteBeta(of: schedule, levels: levels).betas, "prediction_type": type,
      "clip_sample": false, "set_alpha_to_one": false, "steps_offset": 0, "timestep_spacing": "trailing",
    ]
  }

  private static var index: [String: Any] {
    [
      "_class_name": "StableDiffusionPipeline", "_diffusers_version": DiffusersFolder.version,
      "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"],
      "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
      "scheduler": ["diffusers", "DDIMScheduler"], "safety_checker": [NSNull(), NSNull()],
      "feature_extractor": [NSNull(), NSNull()], "image_encoder": [NSNull(), NSNull()],
      "requires_safety_checker": false,
    ]
  }
}
