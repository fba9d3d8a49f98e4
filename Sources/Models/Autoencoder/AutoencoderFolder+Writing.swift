// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

extension AutoencoderFolder {
  /// Writes config.json and diffusion_pytorch_model.safetensors, for diffusers' `AutoencoderKL` to load.
  /// - Parameters:
  ///   - autoencoder: what is written. The deviation of its pictures, for which diffusers has no place, is left out.
  ///   - folder: is made where it is missing.
  /// - Throws: `InputError` where the folder cannot be made, `WriteError` where a file cannot be written.
  public static func write(_ autoencoder: Autoencoder, to folder: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw InputError("this folder cannot be made", at: folder)
    }
    // Whoever reads the folder meanwhile finds no config beside weights of another one.
    unlink("\(folder)/config.json")
    try weights(of: autoencoder).write(to: "\(folder)/diffusion_pytorch_model.safetensors")
    try config(of: autoencoder).withUnsafeBytes { try AtomicFile.write($0, to: "\(folder)/config.json") }
  }

  /// The bytes of config.json.
  public static func config(of autoencoder: Autoencoder) throws -> Data {
    let a = autoencoder.architecture
    let config: [String: Any] = [
      "_class_name": "AutoencoderKL", "_diffusers_version": "0.42.1", "act_fn": "silu",
      "sample_size": a.height == a.width ? a.height as Any : [a.height, a.width],
      "in_channels": a.channels, "out_channels": a.channels, "latent_channels": a.latentChannels,
      "block_out_channels": a.stages, "layers_per_block": a.blocks, "norm_num_groups": a.groups,
      "down_block_types": a.stages.map { _ in "DownEncoderBlock2D" },
      "up_block_types": a.stages.map { _ in "UpDecoderBlock2D" }, "mid_block_add_attention": a.middleAttention,
      "use_quant_conv": a.encoderProjection, "use_post_quant_conv": a.decoderProjection, "force_upcast": true,
      "scaling_factor": autoencoder.scaling,
      "shift_factor": autoencoder.shift == 0 ? NSNull() : autoencoder.shift as Any,
      "latents_mean": NSNull(), "latents_std": NSNull(),
    ]
    return try JSONSerialization.data(withJSONObject: config, options: [.prettyPrinted, .sortedKeys])
      + Data("\n".utf8)
  }

  /// The tensors of an autoencoder, under the names that diffusers gives them.
  public static func weights(of autoencoder: Autoencoder) -> SafetensorsWriter {
    var file = SafetensorsWriter(metadata: ["format": "pt"])
    file.add(autoencoder.parameters, layout: autoencoder.network.layout) {
      $0.name != AutoencoderNetwork.deviationName
    }
    return file
  }
}
