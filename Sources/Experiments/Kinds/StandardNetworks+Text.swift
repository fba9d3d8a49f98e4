// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Tensors

// Networks that are told texts.
extension Catalogue {
  static let textUNet = Kind<NetworkRecipe>(
    "text-unet",
    "diffusers' UNet2DConditionModel over a CLIPTextModel, both trained; for images with texts"
  ) { options, _ in
    let unet = try UNetOptions(options, hasContext: true)
    let encoder = try TextEncoderOptions(options)
    let winograd = try options.flag("winograd", default: true, "allow Winograd's filtering of 3 × 3 convolutions")
    return NetworkRecipe { data, seed in
      guard data.conditionShape == .text else { throw InputError("needs data with texts; this has none") }
      let tokenizer = try CLIPTokenizer(learnedFrom: data.texts, length: encoder.length)
      var architecture = try unet.architecture(
        for: data, context: UNetArchitecture.Context(tokens: tokenizer.length, width: encoder.width), seed: seed)
      (architecture.condition, architecture.knowsNothing) = (.nothing, false)
      return try TextNetwork(
        try UNet(architecture, winograd: winograd), encoder: try encoder.network(of: tokenizer), tokenizer: tokenizer,
        isTrained: true)
    }
  }
}

/// The options of a transformer that reads texts.
struct TextEncoderOptions {
  /// How many numbers a token becomes.
  let width: Int
  /// How many tokens a text becomes; nil: as many as the longest text of the data.
  let length: Int?
  private let layers, heads: Int

  init(_ options: Options) throws {
    width = try options.integer("text_width", default: 128, atLeast: 1, atMost: 65_536, "numbers of a token of a text")
    layers = try options.integer(
      "text_layers", default: 2, atLeast: 1, atMost: 1024, "blocks of the transformer that reads texts")
    heads = try options.integer(
      "text_heads", default: 4, atLeast: 1, atMost: 65_536, "its attention heads; text_width is a multiple of them")
    let given = try options.number(
      "text_length", or: "data", in: .from(3, below: 65_537),
      "tokens of a text, with start and end; data: of the longest text of the data, up to 77")
    if let given, given != given.rounded() {
      throw options.wrong("text_length", "is \(written(given)); allowed: whole numbers from 3 to 65536, or data")
    }
    length = given.map { Int($0) }
    guard width % heads == 0 || options.isDescribing else {
      throw options.wrong("text_heads", "is \(heads); allowed: what divides text_width, \(width)")
    }
  }

  /// A transformer for the tokens of a tokenizer.
  func network(of tokenizer: CLIPTokenizer) throws -> TextEncoder {
    try TextEncoder(
      TextEncoderArchitecture(
        tokens: tokenizer.tokenCount, length: tokenizer.length, width: width, layers: layers, heads: heads))
  }
}
