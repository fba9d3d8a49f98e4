// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Processes

extension DiffusersFolder {
  /// The configs of a network and of the pipeline around it, for diffusers to load.
  /// - Parameters:
  ///   - network: the network.
  ///   - levels: of the process that the network was trained for; those of a variance-preserving one at i/N become the
  ///     scheduler's.
  ///   - prediction: what the network's output stands for.
  /// - Throws: `InputError` for a network that diffusers has no words for.
  public static func configs(of network: UNet, levels: DiffusersLevels?, prediction: Prediction) throws
    -> DiffusersConfigs
  {
    let a = network.architecture
    switch a.condition {
    case .numbers, .both: throw InputError("diffusers has no words for conditions that are numbers")
    case .nothing, .classes, .text: break
    }
    func kind(_ stage: UNetArchitecture.Stage, _ direction: String) -> String {
      if stage.attention { return "Attn\(direction)Block2D" }
      return stage.resampling == .residual ? "Resnet\(direction)sampleBlock2D" : "\(direction)Block2D"
    }
    func resampling(_ stages: [UNetArchitecture.Stage]) -> String {
      stages.contains { $0.attention && $0.resampling == .residual } ? "resnet" : "conv"
    }
    if let context = a.context {
      let entries = try contextEntries(a, context).merging(["_diffusers_version": version]) { $1 }
      // The pipeline around it has parts that are not the network's.
      return DiffusersConfigs(model: try encoded(entries), scheduler: nil)
    }
    var config: [String: Any] = [
      "_class_name": "UNet2DModel", "_diffusers_version": version, "act_fn": "silu",
      "sample_size": a.height == a.width ? a.height as Any : [a.height, a.width],
      "in_channels": a.inputChannels, "out_channels": a.outputChannels,
      "block_out_channels": a.down.map(\.channels), "layers_per_block": a.blocks,
      "down_block_types": a.down.map { kind($0, "Down") }, "up_block_types": a.up.map { kind($0, "Up") },
      "mid_block_type": a.hasMiddle ? "UNetMidBlock2D" as Any : NSNull(), "add_attention": a.middleAttention,
      "downsample_type": resampling(a.down), "upsample_type": resampling(a.up), "downsample_padding": a.downPadding,
      "norm_num_groups": a.groups, "norm_eps": a.epsilon, "mid_block_scale_factor": a.middleScale,
      "attention_head_dim": a.headChannels as Any? ?? NSNull(), "dropout": a.dropout,
      "resnet_time_scale_shift": a.scaleShift ? "scale_shift" : "default", "center_input_sample": a.centresInput,
      "num_class_embeds": a.condition == .nothing ? NSNull() : a.condition.classCount as Any,
      "class_embed_type": NSNull(), "num_train_timesteps": NSNull(),
      "time_embedding_dim": a.timeWidth as Any? ?? NSNull(), "attn_norm_num_groups": NSNull(),
    ]
    if a.middleAttention, a.hasMiddle, a.middleAttentionGroups != (a.scaleShift ? nil : a.groups) {
      guard let groups = a.middleAttentionGroups else {
        throw InputError("diffusers has no middle attention without normalisation beside plain time shifts")
      }
      config["attn_norm_num_groups"] = groups
    }
    switch a.time {
    case .positional(let flipped, let shift):
      config["time_embedding_type"] = "positional"
      config["flip_sin_to_cos"] = flipped
      config["freq_shift"] = shift
    case .fourier(let frequencies, let divides):
      guard divides, frequencies.count == a.down[0].channels else {
        throw InputError("diffusers divides the output of a network with Fourier features by σ; this one does not")
      }
      config["time_embedding_type"] = "fourier"
    }
    let pipeline = scheduler(levels, prediction, count: network.levels)
    return DiffusersConfigs(
      model: try encoded(config),
      scheduler: try pipeline.map { pipeline in
        (
          try encoded(pipeline.scheduler),
          try encoded([
            "_class_name": pipeline.name, "_diffusers_version": version, "unet": ["diffusers", "UNet2DModel"],
            "scheduler": ["diffusers", pipeline.scheduler["_class_name"] ?? ""],
          ])
        )
      })
  }

  /// The scheduler's config and the pipeline's class.
  private static func scheduler(
    _ levels: DiffusersLevels?, _ prediction: Prediction, count: Int
  ) -> (name: String, scheduler: [String: Any])? {
    let types: [Prediction: String] = [.noise: "epsilon", .data: "sample", .velocity: "v_prediction"]
    switch levels {
    case .discrete(let schedule):
      guard let type = types[prediction] else { return nil }
      return (
        "DDPMPipeline",
        [
          "_class_name": "DDPMScheduler", "_diffusers_version": version, "num_train_timesteps": count,
          "trained_betas": DiscreteBeta(of: schedule, levels: count).betas, "prediction_type": type,
          "clip_sample": false, "variance_type": "fixed_large",
        ]
      )
    case .exploding(let sigmas):
      guard prediction == .score else { return nil }
      return (
        "ScoreSdeVePipeline",
        [
          "_class_name": "ScoreSdeVeScheduler", "_diffusers_version": version, "sigma_min": sigmas.minimum,
          "sigma_max": sigmas.maximum,
        ]
      )
    case nil: return nil
    }
  }

  /// The version of diffusers whose words these are.
  static let version = "0.42.1"

  static func encoded(_ object: Any) throws -> Data {
    try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys]) + Data("\n".utf8)
  }

  /// The tensors of a network, for diffusers to load. The embedding of nothing is left out, for which `UNet2DModel` has
  /// no place: what diffusers loads knows its classes and no more.
  public static func weights(of network: UNet, parameters: [Float]) -> SafetensorsWriter {
    var file = SafetensorsWriter(metadata: ["format": "pt"])
    file.add(parameters, layout: network.layout) { $0.name != UNet.nothingName }
    if case .fourier(let frequencies, _) = network.architecture.time {
      file.add("time_proj.weight", shape: [frequencies.count]) { frequencies }
    }
    return file
  }
}
