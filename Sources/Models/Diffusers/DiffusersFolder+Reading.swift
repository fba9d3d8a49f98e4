// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Processes

extension DiffusersFolder {
  /// The architecture that config.json says.
  static func architecture(_ config: JSONFile) throws -> UNetArchitecture {
    let kind = try config.text("_class_name", default: "UNet2DModel")
    guard kind == "UNet2DModel" else { throw config.wrong("_class_name", "is '\(kind)'; allowed: UNet2DModel") }
    let sizes = try config.integers("sample_size")
    guard let height = sizes.first, let width = sizes.last, sizes.count <= 2, height > 0, width > 0, height <= 4096,
      width <= 4096
    else { throw config.wrong("sample_size", "is missing or no size; allowed: pixels, or [height, width]") }
    let widths = try config.integers("block_out_channels", default: [224, 448, 672, 896])
    let downs = try config.texts(
      "down_block_types", default: ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"])
    let ups = try config.texts(
      "up_block_types", default: ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"])
    guard downs.count == widths.count, ups.count == widths.count, !widths.isEmpty else {
      throw config.wrong(
        "block_out_channels", "has \(widths.count) stages; there are \(downs.count) down and \(ups.count) up blocks")
    }
    func resampling(_ key: String) throws -> UNetArchitecture.Resampling {
      switch try config.text(key, default: "conv") {
      case "conv": .convolution
      case "resnet": .residual
      case let other: throw config.wrong(key, "is '\(other)'; allowed: conv, resnet")
      }
    }
    func stage(_ key: String, _ kind: String, _ channels: Int, _ typed: UNetArchitecture.Resampling) throws
      -> UNetArchitecture.Stage
    {
      switch kind {
      case "DownBlock2D", "UpBlock2D": .init(channels: channels, attention: false, resampling: .convolution)
      case "AttnDownBlock2D", "AttnUpBlock2D": .init(channels: channels, attention: true, resampling: typed)
      case "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D":
        .init(channels: channels, attention: false, resampling: .residual)
      default:
        throw config.wrong(
          key, "holds '\(kind)'; allowed: DownBlock2D, AttnDownBlock2D, ResnetDownsampleBlock2D and the same with Up")
      }
    }
    let (typeDown, typeUp) = (try resampling("downsample_type"), try resampling("upsample_type"))
    var a = UNetArchitecture(
      height: height, width: width, inputChannels: try config.integer("in_channels", default: 3),
      outputChannels: try config.integer("out_channels", default: 3),
      down: try zip(downs, widths).map { try stage("down_block_types", $0, $1, typeDown) },
      up: try zip(ups, widths.reversed()).map { try stage("up_block_types", $0, $1, typeUp) })
    a.blocks = try config.integer("layers_per_block", default: 2)
    a.groups = try config.integer("norm_num_groups", default: 32)
    a.epsilon = try config.number("norm_eps", default: 1e-5)
    a.headChannels = config.isNull("attention_head_dim") ? nil : try config.integer("attention_head_dim", default: 8)
    a.scaleShift =
      try config.choice("resnet_time_scale_shift", default: "default", ["default", "scale_shift"]) == "scale_shift"
    a.hasMiddle = !config.isNull("mid_block_type")
    if a.hasMiddle { _ = try config.choice("mid_block_type", default: "UNetMidBlock2D", ["UNetMidBlock2D"]) }
    a.middleAttention = try config.flag("add_attention", default: true)
    // Without a number of its own, the middle's attention is normalised only beside plain time shifts.
    a.middleAttentionGroups =
      config.has("attn_norm_num_groups")
      ? try config.integer("attn_norm_num_groups", default: 0) : a.scaleShift ? nil : a.groups
    a.middleScale = try config.number("mid_block_scale_factor", default: 1)
    a.timeWidth = config.has("time_embedding_dim") ? try config.integer("time_embedding_dim", default: 0) : nil
    a.downPadding = try config.integer("downsample_padding", default: 1)
    a.dropout = try config.number("dropout", default: 0)
    a.centresInput = try config.flag("center_input_sample", default: false)
    _ = try config.choice("act_fn", default: "silu", ["silu", "swish"])
    if config.has("class_embed_type") { throw config.wrong("class_embed_type", "is not null; allowed: null") }
    let classes = config.has("num_class_embeds") ? try config.integer("num_class_embeds", default: 0) : 0
    a.condition = classes == 0 ? .nothing : .classes(classes)
    a.knowsNothing = false
    switch try config.choice("time_embedding_type", default: "positional", ["positional", "fourier"]) {
    case "fourier": a.time = .fourier(frequencies: Array(repeating: 0, count: widths[0]), dividesOutput: true)
    default:
      a.time = .positional(
        flipped: try config.flag("flip_sin_to_cos", default: true), shift: try config.integer("freq_shift", default: 0))
    }
    do {
      try a.check()
    } catch let error as InputError {
      throw InputError(error.message, at: config.path)
    }
    return a
  }

  /// The noise levels that scheduler_config.json says; without one those of DDPM.
  static func schedule(_ config: JSONFile?) throws -> DiscreteBeta {
    guard let config else { return try .linear(1e-4, 0.02, levels: 1000) }
    let kind = try config.text("_class_name", default: "DDPMScheduler")
    if ["FlowMatch", "EDM", "Consistency", "LCM", "ScoreSde"].contains(where: { kind.contains($0) }) {
      throw config.wrong("_class_name", "is '\(kind)'; allowed: schedulers of DDPM's discrete noise levels")
    }
    if try config.flag("rescale_betas_zero_snr", default: false) {
      throw config.wrong("rescale_betas_zero_snr", "is true; allowed: false")
    }
    let levels = try config.integer("num_train_timesteps", default: 1000)
    guard (1...1_000_000).contains(levels) else {
      throw config.wrong("num_train_timesteps", "is \(levels); allowed: 1 to 1000000")
    }
    do {
      if config.has("trained_betas") {
        let betas = try config.numbers("trained_betas")
        guard betas.count == levels else {
          throw config.wrong("trained_betas", "has \(betas.count) values for \(levels) levels")
        }
        return try DiscreteBeta(betas: betas)
      }
      let (first, last) = (
        try config.number("beta_start", default: 1e-4), try config.number("beta_end", default: 0.02)
      )
      switch try config.choice(
        "beta_schedule", default: "linear", ["linear", "scaled_linear", "squaredcos_cap_v2"])
      {
      case "linear": return try .linear(first, last, levels: levels)
      case "scaled_linear":
        guard first > 0, last > 0 else { throw InputError("beta_start and beta_end are not above 0") }
        return try .scaledLinear(first, last, levels: levels)
      default: return try .cosine(levels: levels)
      }
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: config.path) : error
    }
  }

  /// What the network's output stands for; nil where the scheduler does not say.
  static func prediction(_ config: JSONFile?) throws -> Prediction? {
    guard let config, config.has("prediction_type") else { return nil }
    switch try config.choice("prediction_type", default: "epsilon", ["epsilon", "sample", "v_prediction"]) {
    case "epsilon": return .noise
    case "sample": return .data
    default: return .velocity
    }
  }
}
