// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks

extension AutoencoderFolder {
  /// Entries that say nothing about what is computed: who wrote the file, and whether halves are widened, as all
  /// numbers are here.
  private static let withoutEffect = [
    "_diffusers_version", "_name_or_path", "_use_default_values", "_commit_hash", "force_upcast",
  ]

  /// What config.json says.
  static func read(
    _ config: JSONFile
  ) throws -> (architecture: AutoencoderArchitecture, scaling: Double, shift: Double) {
    _ = try config.choice("_class_name", default: "AutoencoderKL", ["AutoencoderKL"])
    let sizes = try config.integers("sample_size", default: [32])
    guard let height = sizes.first, let width = sizes.last, sizes.count <= 2 else {
      throw config.wrong("sample_size", "is no size; allowed: pixels, or [height, width]")
    }
    let stages = try config.integers("block_out_channels", default: [64])
    func blocks(_ key: String, _ name: String) throws {
      let kinds = try config.texts(key, default: [name])
      if let other = kinds.first(where: { $0 != name }) {
        throw config.wrong(key, "holds '\(other)'; allowed: \(name)")
      }
      guard kinds.count == stages.count, !stages.isEmpty else {
        throw config.wrong(key, "has \(kinds.count) blocks; block_out_channels has \(stages.count) stages")
      }
    }
    try blocks("down_block_types", "DownEncoderBlock2D")
    try blocks("up_block_types", "UpDecoderBlock2D")
    let channels = try config.integer("in_channels", default: 3)
    let output = try config.integer("out_channels", default: 3)
    guard channels == output else {
      throw config.wrong("out_channels", "is \(output) and in_channels \(channels); allowed: as many")
    }
    var a = AutoencoderArchitecture(
      height: height, width: width, channels: channels,
      latentChannels: try config.integer("latent_channels", default: 4), stages: stages,
      blocks: try config.integer("layers_per_block", default: 1),
      groups: try config.integer("norm_num_groups", default: 32))
    a.middleAttention = try config.flag("mid_block_add_attention", default: true)
    a.encoderProjection = try config.flag("use_quant_conv", default: true)
    a.decoderProjection = try config.flag("use_post_quant_conv", default: true)
    _ = try config.choice("act_fn", default: "silu", ["silu", "swish"])
    let scaling = try config.number("scaling_factor", default: 0.18215)
    guard scaling > 0, scaling.isFinite else {
      throw config.wrong("scaling_factor", "is \(config.brief("scaling_factor")); allowed: above 0")
    }
    let shift = config.has("shift_factor") ? try config.number("shift_factor", default: 0) : 0
    for key in ["latents_mean", "latents_std"] where config.has(key) {
      throw config.wrong(
        key,
        "is \(config.brief(key)); allowed: null, as Stable Diffusion's pipelines pass it over; scaling_factor and "
          + "shift_factor are followed")
    }
    config.pass(withoutEffect)
    try config.finish(allowed: "the entries of diffusers' AutoencoderKL")
    do {
      a = try sizedToFit(a)
      try a.check()
    } catch let error as InputError {
      throw InputError(error.message, at: config.path)
    }
    return (a, scaling, shift)
  }

  /// The size that a config names is only what the model was trained at, and may be one that cannot be halved as often
  /// as there are stages: then the next smaller one that can.
  private static func sizedToFit(_ a: AutoencoderArchitecture) throws -> AutoencoderArchitecture {
    guard a.stages.count <= 12 else { return a }
    func fitted(_ side: Int) -> Int { max(a.factor, side - side % a.factor) }
    guard (1...8192).contains(a.height), (1...8192).contains(a.width) else { return a }
    return a.sized(height: fitted(a.height), width: fitted(a.width))
  }
}
