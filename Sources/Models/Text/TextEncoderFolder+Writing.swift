// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

extension TextEncoderFolder {
  /// config.json of an encoder, for transformers to load as a `CLIPTextModel`.
  /// - Parameters:
  ///   - encoder: the network.
  ///   - tokenizer: says the numbers of start, end and padding.
  public static func config(of encoder: TextEncoder, tokenizer: CLIPTokenizer) throws -> Data {
    let a = encoder.architecture
    let config: [String: Any] = [
      "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": a.tokens,
      "max_position_embeddings": a.length, "hidden_size": a.width, "num_hidden_layers": a.layers,
      "num_attention_heads": a.heads, "intermediate_size": a.inner, "hidden_act": a.activation.rawValue,
      "layer_norm_eps": a.epsilon, "attention_dropout": 0, "projection_dim": a.width, "torch_dtype": "float32",
      "bos_token_id": tokenizer.start, "eos_token_id": tokenizer.end, "pad_token_id": tokenizer.padding,
    ]
    return try JSONSerialization.data(withJSONObject: config, options: [.prettyPrinted, .sortedKeys]) + Data("\n".utf8)
  }

  /// model.safetensors of an encoder with these parameters.
  ///
  /// The names are those of before transformers 5, behind `text_model.`, which all versions load.
  public static func weights(of encoder: TextEncoder, parameters: [Float]) -> SafetensorsWriter {
    var file = SafetensorsWriter(metadata: ["format": "pt"])
    file.add(parameters, layout: encoder.layout, prefix: "text_model.")
    return file
  }
}
