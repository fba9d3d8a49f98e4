// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// The folder of a `CLIPTextModel` as transformers saves it: config.json and model.safetensors, in full or half
/// precision, in one file or in shards, by the names of today or of before (behind `text_model.`, with a buffer of
/// positions).
///
/// Every entry of the config is followed, refused by name, or known to be without effect.
public struct TextEncoderFolder: Sendable {
  /// The network.
  public let encoder: TextEncoder
  /// Its parameters, in the layout's order.
  public let parameters: [Float]
  /// Changes with the architecture and the parameters.
  public let fingerprint: String
  /// What was chosen or left out, a line each.
  public let notes: [String]

  /// - Parameters:
  ///   - path: the folder.
  ///   - variant: of the weights, such as `fp16`; nil: none, or the only one there.
  /// - Throws: `InputError` at the file for what is missing, damaged or of an unknown kind.
  public init(_ path: String, variant: String? = nil) throws {
    let config = try JSONFile("\(path)/config.json", missing: "no such file; a folder saved by transformers has it")
    let architecture = try Self.architecture(config)
    do {
      encoder = try TextEncoder(architecture)
    } catch let error as InputError {
      throw InputError(error.message, at: config.path)
    }
    var weights = try DiffusersWeights(in: path, stem: "model", variant: variant)
    weights.removePrefix("text_model.")
    let layout = encoder.layout
    do {
      try weights.keep(only: Set(layout.entries.flatMap { $0.parts.map(\.name) }))
      parameters = try weights.file.values(layout: layout, prefix: "")
      let lost = parameters.withUnsafeBufferPointer { $0.baseAddress.flatMap { layout.firstNonFinite(in: $0) } }
      if let name = lost {
        throw InputError("'\(name)' holds a number that is not finite")
      }
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: weights.path) : error
    }
    var checksum = Checksum()
    checksum.add(config.bytes)
    for value in parameters { checksum.add(word: UInt64(value.bitPattern)) }
    fingerprint = checksum.text
    notes = weights.notes
  }

  /// Entries that say nothing about the numbers that come out of the last layer: who wrote the file, how training began
  /// and what it left out at random, what transformers returns beside the numbers, and the tokens' own numbers, which a
  /// tokenizer says.
  private static let withoutEffect = [
    "_name_or_path", "_attn_implementation_autoset", "attention_dropout", "bos_token_id", "chunk_size_feed_forward",
    "dropout", "dtype", "eos_token_id", "id2label", "initializer_factor", "initializer_range", "label2id",
    "output_attentions", "output_hidden_states", "pad_token_id", "problem_type", "projection_dim", "return_dict",
    "torch_dtype", "transformers_version", "use_cache", "vision_use_head", "is_encoder_decoder",
  ]

  private static func architecture(_ config: JSONFile) throws -> TextEncoderArchitecture {
    let kinds = try config.texts("architectures", default: ["CLIPTextModel"])
    guard kinds == ["CLIPTextModel"] else {
      throw config.wrong("architectures", "is \(config.brief("architectures")); allowed: CLIPTextModel")
    }
    _ = try config.choice("model_type", default: "clip_text_model", ["clip_text_model"])
    // What config.json leaves out is as transformers' CLIPTextConfig has it.
    var a = TextEncoderArchitecture(
      tokens: try config.integer("vocab_size", default: 49408),
      length: try config.integer("max_position_embeddings", default: 77),
      width: try config.integer("hidden_size", default: 512),
      layers: try config.integer("num_hidden_layers", default: 12),
      heads: try config.integer("num_attention_heads", default: 8),
      inner: try config.integer("intermediate_size", default: 2048))
    let kind = try config.choice(
      "hidden_act", default: "quick_gelu", TextEncoderArchitecture.Activation.allCases.map(\.rawValue))
    a.activation = TextEncoderArchitecture.Activation(rawValue: kind) ?? .quick
    a.epsilon = try config.number("layer_norm_eps", default: 1e-5)
    config.pass(withoutEffect)
    try config.finish(allowed: "the entries of transformers' CLIPTextConfig")
    return a
  }
}
