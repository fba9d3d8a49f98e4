// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

extension DiffusersFolder {
  /// Entries of `UNet2DConditionModel` that add a part which is not followed, unless they are null; and what they add.
  private static let absent: [(key: String, adds: String)] = [
    ("class_embed_type", "an embedding of classes or times beside the text"),
    ("num_class_embeds", "classes beside the text"),
    ("addition_embed_type", "a pooled text beside the time (Stable Diffusion XL)"),
    ("encoder_hid_dim", "a projection of the text"),
    ("encoder_hid_dim_type", "a projection of the text"),
    ("time_cond_proj_dim", "guidance as an input (latent consistency models)"),
    ("timestep_post_act", "an activation after the time embedding"),
    ("time_embedding_act_fn", "an activation of the time embedding"),
    ("cross_attention_norm", "a normalisation of the text"),
    ("reverse_transformer_layers_per_block", "counts of blocks for the way up alone"),
  ]

  /// Entries without effect where the parts that they are of are absent, or in 32-bit floats.
  private static let withoutEffectHere = [
    "addition_time_embed_dim", "projection_class_embeddings_input_dim", "addition_embed_type_num_heads",
    "upcast_attention",
  ]

  /// The architecture that the config.json of a `UNet2DConditionModel` says.
  /// - Parameters:
  ///   - config: the file.
  ///   - size: of the images, in pixels; nil: what the file says.
  ///   - tokens: how many tokens the context has, which no file says.
  static func contextArchitecture(
    _ config: JSONFile, size: (height: Int, width: Int)?, tokens: Int
  ) throws -> UNetArchitecture {
    for (key, adds) in absent where config.has(key) {
      throw config.wrong(key, "is \(config.brief(key)): \(adds), which is not followed; allowed: null")
    }
    for key in ["dual_cross_attention", "resnet_skip_time_act", "class_embeddings_concat"] {
      if try config.flag(key, default: false) { throw config.wrong(key, "is true; allowed: false") }
    }
    for (key, only) in [("conv_in_kernel", 3), ("conv_out_kernel", 3)] {
      let kernel = try config.integer(key, default: only)
      guard kernel == only else { throw config.wrong(key, "is \(kernel); allowed: \(only)") }
    }
    let factor = try config.number("resnet_out_scale_factor", default: 1)
    guard factor == 1 else { throw config.wrong("resnet_out_scale_factor", "is \(factor); allowed: 1") }
    _ = try config.choice("attention_type", default: "default", ["default"])
    _ = try config.choice("act_fn", default: "silu", ["silu", "swish"])
    _ = try config.choice("time_embedding_type", default: "positional", ["positional"])
    config.pass(withoutEffectHere)

    let (height, width) = try imageSize(config, size)
    let widths = try config.integers("block_out_channels", default: [320, 640, 1280, 1280])
    let count = widths.count
    let downs = try config.texts(
      "down_block_types",
      default: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"])
    let ups = try config.texts(
      "up_block_types", default: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"])
    guard downs.count == count, ups.count == count, count > 0 else {
      throw config.wrong(
        "block_out_channels", "has \(count) stages; there are \(downs.count) down and \(ups.count) up blocks")
    }
    // diffusers calls the number of heads attention_head_dim, unless it has a number of its own (its issue 2011).
    let headKey = config.has("num_attention_heads") ? "num_attention_heads" : "attention_head_dim"
    config.pass(["num_attention_heads", "attention_head_dim"])
    let heads = try config.integers(headKey, default: 8, count: count)
    let layers = try config.integers("transformer_layers_per_block", default: 1, count: count)
    let onlyContext = try config.flags("only_cross_attention", default: false, count: count)

    func transformer(_ level: Int) -> UNetArchitecture.Transformer {
      var transformer = UNetArchitecture.Transformer(layers: layers[level], heads: heads[level])
      transformer.onlyContext = onlyContext[level]
      return transformer
    }
    func stage(_ key: String, _ kind: String, _ direction: String, _ level: Int) throws -> UNetArchitecture.Stage {
      var stage = UNetArchitecture.Stage(channels: widths[level], attention: false, resampling: .convolution)
      switch kind {
      case "\(direction)Block2D": break
      case "CrossAttn\(direction)Block2D": stage.transformer = transformer(level)
      default:
        throw config.wrong(key, "holds '\(kind)'; allowed: \(direction)Block2D, CrossAttn\(direction)Block2D")
      }
      return stage
    }
    var a = UNetArchitecture(
      height: height, width: width, inputChannels: try config.integer("in_channels", default: 4),
      outputChannels: try config.integer("out_channels", default: 4),
      down: try downs.indices.map { try stage("down_block_types", downs[$0], "Down", $0) },
      up: try ups.indices.map { try stage("up_block_types", ups[$0], "Up", count - 1 - $0) })
    var context = UNetArchitecture.Context(
      tokens: tokens, width: try config.repeated("cross_attention_dim", default: 1280, count: count))
    context.linearProjection = try config.flag("use_linear_projection", default: false)
    a.context = context
    a.blocks = try config.repeated("layers_per_block", default: 2, count: count)
    a.groups = try config.integer("norm_num_groups", default: 32)
    a.epsilon = try config.number("norm_eps", default: 1e-5)
    a.scaleShift =
      try config.choice("resnet_time_scale_shift", default: "default", ["default", "scale_shift"]) == "scale_shift"
    a.hasMiddle = !config.isNull("mid_block_type")
    a.middleAttention = false
    a.middleAttentionGroups = nil
    if a.hasMiddle {
      _ = try config.choice("mid_block_type", default: "UNetMidBlock2DCrossAttn", ["UNetMidBlock2DCrossAttn"])
      var middle = transformer(count - 1)
      // A flag for all stages is the middle's, too; a list is not.
      middle.onlyContext =
        config.has("mid_block_only_cross_attention")
        ? try config.flag("mid_block_only_cross_attention", default: false)
        : config.isList("only_cross_attention") ? false : onlyContext[0]
      a.middleTransformer = middle
    }
    config.pass(["mid_block_only_cross_attention"])
    a.middleScale = try config.number("mid_block_scale_factor", default: 1)
    a.timeWidth = config.has("time_embedding_dim") ? try config.integer("time_embedding_dim", default: 0) : nil
    a.downPadding = try config.integer("downsample_padding", default: 1)
    a.dropout = try config.number("dropout", default: 0)
    a.centresInput = try config.flag("center_input_sample", default: false)
    a.condition = .nothing
    a.knowsNothing = false
    a.time = .positional(
      flipped: try config.flag("flip_sin_to_cos", default: true), shift: try config.integer("freq_shift", default: 0))
    return a
  }

  /// Height and width: as asked for, or as the file says.
  static func imageSize(
    _ config: JSONFile, _ asked: (height: Int, width: Int)?
  ) throws -> (height: Int, width: Int) {
    let sizes = try config.integers("sample_size")
    if let asked { return asked }
    guard let height = sizes.first, let width = sizes.last, sizes.count <= 2, height > 0, width > 0, height <= 4096,
      width <= 4096
    else { throw config.wrong("sample_size", "is missing or no size; allowed: pixels, or [height, width]") }
    return (height, width)
  }

  /// config.json's entries for a network with a context.
  static func contextEntries(_ a: UNetArchitecture, _ context: UNetArchitecture.Context) throws -> [String: Any] {
    func kind(_ stage: UNetArchitecture.Stage, _ direction: String) throws -> String {
      guard !stage.attention, stage.resampling == .convolution else {
        throw InputError("diffusers has no stage of attention without a context, or of another resampling, beside one")
      }
      return "\(stage.transformer == nil ? "" : "CrossAttn")\(direction)Block2D"
    }
    guard case .positional(let flipped, let shift) = a.time else {
      throw InputError("diffusers has no Fourier features in networks with a context")
    }
    guard !a.middleAttention || !a.hasMiddle, !a.hasMiddle || a.middleTransformer != nil else {
      throw InputError("diffusers has no middle without a transformer beside a context")
    }
    // What the stages say alike on the way down and up; a stage without a transformer says nothing.
    let transformers = a.down.indices.map { level in
      a.down[level].transformer ?? a.up[a.up.count - 1 - level].transformer
        ?? (level == a.down.count - 1 ? a.middleTransformer : nil)
    }
    for (level, transformer) in transformers.enumerated() {
      for other in [a.up[a.up.count - 1 - level].transformer] + (level == a.down.count - 1 ? [a.middleTransformer] : [])
      {
        guard other == nil || other == transformer else {
          throw InputError("diffusers has one kind of transformer for a stage on the way down and up")
        }
      }
    }
    let spare = transformers.compactMap { $0 }.first ?? .init(layers: 1, heads: 1)
    let filled = transformers.map { $0 ?? spare }
    return [
      "_class_name": "UNet2DConditionModel", "act_fn": "silu",
      "sample_size": a.height == a.width ? a.height as Any : [a.height, a.width],
      "in_channels": a.inputChannels, "out_channels": a.outputChannels,
      "block_out_channels": a.down.map(\.channels), "layers_per_block": a.blocks,
      "down_block_types": try a.down.map { try kind($0, "Down") },
      "up_block_types": try a.up.map { try kind($0, "Up") },
      "mid_block_type": a.hasMiddle ? "UNetMidBlock2DCrossAttn" as Any : NSNull(),
      "downsample_padding": a.downPadding, "norm_num_groups": a.groups, "norm_eps": a.epsilon,
      "mid_block_scale_factor": a.middleScale, "dropout": a.dropout, "center_input_sample": a.centresInput,
      "resnet_time_scale_shift": a.scaleShift ? "scale_shift" : "default", "cross_attention_dim": context.width,
      "attention_head_dim": filled.map(\.heads), "transformer_layers_per_block": filled.map(\.layers),
      "only_cross_attention": filled.map(\.onlyContext),
      "mid_block_only_cross_attention": a.middleTransformer?.onlyContext ?? false,
      "use_linear_projection": context.linearProjection, "flip_sin_to_cos": flipped, "freq_shift": shift,
      "time_embedding_dim": a.timeWidth as Any? ?? NSNull(),
    ]
  }
}
