// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks

extension DiffusersFolder {
  /// Entries that say nothing about the network: who wrote the file, how many levels a learned time embedding would
  /// have, and what diffusers' average of weights (`unet_ema`) notes down beside it.
  private static let withoutEffect = [
    "_diffusers_version", "_name_or_path", "_use_default_values", "_commit_hash", "num_train_timesteps", "decay",
    "min_decay", "optimization_step", "update_after_step", "use_ema_warmup", "inv_gamma", "power",
  ]

  /// The architecture that config.json says.
  /// - Parameters:
  ///   - config: the file.
  ///   - size: of the images, in pixels; nil: what the file says.
  ///   - tokens: how many tokens the context has, of a network with one.
  static func architecture(
    _ config: JSONFile, size: (height: Int, width: Int)?, tokens: Int
  ) throws -> UNetArchitecture {
    let kind = try config.text("_class_name", default: "UNet2DModel")
    let a =
      switch kind {
      case "UNet2DModel": try plainArchitecture(config, size: size)
      case "UNet2DConditionModel": try contextArchitecture(config, size: size, tokens: tokens)
      default: throw config.wrong("_class_name", "is '\(kind)'; allowed: UNet2DModel, UNet2DConditionModel")
      }
    config.pass(withoutEffect)
    try config.finish(allowed: "the entries of diffusers' \(kind)")
    do {
      try a.check()
    } catch let error as InputError {
      throw InputError(error.message, at: config.path)
    }
    return a
  }

  /// The architecture of a `UNet2DModel`.
  private static func plainArchitecture(
    _ config: JSONFile, size: (height: Int, width: Int)?
  ) throws -> UNetArchitecture {
    let (height, width) = try imageSize(config, size)
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
      switch config.isNull(key) ? "conv" : try config.text(key, default: "conv") {
      case "conv": .convolution
      case "resnet": .residual
      case let other: throw config.wrong(key, "is '\(other)'; allowed: conv, resnet")
      }
    }
    func stage(_ key: String, _ kind: String, _ channels: Int, _ typed: UNetArchitecture.Resampling) throws
      -> UNetArchitecture.Stage
    {
      // diffusers had a longer name for all of them once.
      switch kind.hasPrefix("UNetRes") ? String(kind.dropFirst(7)) : kind {
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
    if config.has("class_embed_type") {
      throw config.wrong(
        "class_embed_type", "is not null but \(config.brief("class_embed_type")); allowed: null, an embedding by table")
    }
    let classes = config.has("num_class_embeds") ? try config.integer("num_class_embeds", default: 0) : 0
    a.condition = classes == 0 ? .nothing : .classes(classes)
    a.knowsNothing = false
    switch try config.choice("time_embedding_type", default: "positional", ["positional", "fourier"]) {
    case "fourier":
      a.time = .fourier(frequencies: Array(repeating: 0, count: widths[0]), dividesOutput: true)
      config.pass(["flip_sin_to_cos", "freq_shift"])
    default:
      a.time = .positional(
        flipped: try config.flag("flip_sin_to_cos", default: true), shift: try config.integer("freq_shift", default: 0))
    }
    return a
  }
}
