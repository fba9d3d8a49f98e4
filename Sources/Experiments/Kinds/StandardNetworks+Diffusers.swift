// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Tensors

// Networks that diffusers saved.
extension Catalogue {
  static let diffusersNetwork = Kind<NetworkRecipe>(
    "diffusers", "a UNet2DModel or UNet2DConditionModel saved by diffusers, with its weights; for images"
  ) { options, _ in
    let path = try options.file(
      "path", example: "ddpm-cifar10-32", allowed: "a folder",
      "with config.json and diffusion_pytorch_model.safetensors, or a pipeline's; relative to the config")
    let subfolder = try options.optionalText(
      "subfolder", allowed: "a folder within path",
      "the network's, such as unet_ema; without: path itself, unet or unet_ema")
    let variant = try options.optionalText(
      "variant", allowed: "such as fp16", "of the weights; without: those that have none, or the only ones")
    let winograd = try options.flag("winograd", default: true, "allow Winograd's filtering of 3 × 3 convolutions")
    let beside = try options.optionalFile(
      "text", "a folder with tokenizer and text_encoder, for a UNet2DConditionModel; without: path, or what it lies in")
    let trainsText = try options.flag("train_text", default: false, "train the text encoder with the U-Net")
    let adapters = try AdapterOptions(options)
    let texts = try TextParts(for: path, beside: beside, variant: variant)
    let folder = try DiffusersFolder(
      path, subfolder: subfolder, variant: variant, winograd: winograd, tokens: texts?.tokenizer.length ?? 77,
      adapters: adapters.file.map { ($0, adapters.weight) })
    for note in folder.notes + (texts?.notes ?? []) { options.note("path", note) }
    let hasContext = folder.network.architecture.context != nil
    guard !hasContext || texts != nil || options.isDescribing else {
      throw options.wrong(
        "path",
        "is a UNet2DConditionModel without tokenizer and text_encoder beside it; text: FOLDER says where these are")
    }
    if !hasContext, !options.isDescribing {
      for key in ["text", "train_text"] { try options.refuse(key, needs: "a UNet2DConditionModel") }
    }
    if let file = adapters.file, file.components.contains(.textEncoder), texts == nil {
      throw options.wrong("adapters", "changes a text encoder, and the network has none")
    }
    let (network, values) = (folder.network, folder.network.initialParameters(seed: 0))
    var pretrained = NetworkRecipe.Pretrained(folder)
    if hasContext, let texts { pretrained.fingerprint += "-" + texts.encoder.fingerprint }
    if let file = adapters.file { pretrained.fingerprint += "-" + file.fingerprint }
    return NetworkRecipe(pretrained: pretrained) { data, _ in
      let inner = try network.sized(for: data, values: values)
      let changed: any Network = try adapters.changing(inner, values)
      guard hasContext, let texts else { return changed }
      guard data.conditionShape == .text || data.conditionShape == .nothing else {
        throw InputError("is told texts; the data has \(data.conditionShape.text)")
      }
      var own = texts.encoder.parameters
      if let file = adapters.file { own = try file.added(to: own, of: texts.encoder.encoder, times: adapters.weight) }
      return try TextNetwork(
        changed, encoder: texts.encoder.encoder, tokenizer: texts.tokenizer, values: own, isTrained: trainsText)
    }
  }

  /// The tokenizer and the text encoder of a pipeline.
  private struct TextParts {
    let tokenizer: CLIPTokenizer
    let encoder: TextEncoderFolder
    let notes: [String]

    /// - Returns: nil where there are none, and nobody said where.
    init?(for path: String, beside: String?, variant: String?) throws {
      let candidates = beside.map { [$0] } ?? [path, parentFolder(of: path)]
      guard
        let folder = candidates.first(where: {
          FileManager.default.fileExists(atPath: "\($0)/text_encoder") || beside != nil
        })
      else { return nil }
      let tokens = try TokenizerFolder("\(folder)/tokenizer")
      encoder = try TextEncoderFolder("\(folder)/text_encoder", variant: variant)
      (tokenizer, notes) = (tokens.tokenizer, tokens.notes + encoder.notes)
    }
  }
}

/// Options of adapters of low rank: those of a file, and new ones that are trained.
struct AdapterOptions {
  /// A file of adapters, whose changes are added to the weights.
  let file: LowRankFile?
  /// How much of them is added.
  let weight: Double
  /// The rank and α of adapters that are trained in place of the weights; nil: the weights are trained.
  private let trained: (rank: Int, alpha: Double, targets: Targets)?

  /// Which weights get adapters that are trained.
  private enum Targets: String, CaseIterable {
    /// Queries, keys, values and outputs of attention, as diffusers' training scripts have it.
    case attention
    /// All weights of linear layers and 1 × 1 convolutions of transformers.
    case transformer

    func contains(_ name: String) -> Bool {
      let isAttention = ["to_q", "to_k", "to_v", "to_out.0"].contains { name.hasSuffix(".\($0).weight") }
      return isAttention
        || self == .transformer && name.contains("attentions.")
          && ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"].contains { name.hasSuffix(".\($0).weight") }
    }
  }

  init(_ options: Options) throws {
    let path = try options.optionalFile(
      "adapters",
      "a safetensors file of low-rank adapters, in diffusers' or kohya's keys, that are added to the weights")
    weight = try options.only(if: path != nil || options.isDescribing, needs: "adapters: FILE") {
      try options.number("adapter_weight", default: 1, in: .any, "how much of them is added")
    }
    file = try path.map { try LowRankFile($0) }
    let rank = try options.integer(
      "lora", default: 0, atLeast: 0, atMost: 4096,
      "r: train adapters of this rank in place of the weights; 0: train the weights")
    let (alpha, targets) = try options.only(if: rank > 0 || options.isDescribing, needs: "lora: 1 or more") {
      (
        try options.number("lora_alpha", default: 4, in: .positive, "α: the change of a weight is α/r B A"),
        try options.choice(
          "lora_targets", default: Targets.attention,
          "attention: its queries, keys, values and outputs; transformer: also its other linear layers")
      )
    }
    trained = rank == 0 ? nil : (rank, alpha, targets)
  }

  /// A network whose adapters are trained, where these are asked for.
  func changing(_ network: UNet, _ values: [Float]) throws -> any Network {
    guard let trained else { return network }
    return try LowRankNetwork(network, base: values, rank: trained.rank, alpha: trained.alpha) {
      trained.targets.contains($0)
    }
  }
}

extension UNet {
  /// The same network for images of the data's size; no parameter depends on it.
  fileprivate func sized(for data: DataShape, values: [Float]) throws -> UNet {
    let a = architecture
    let own = ImageShape(height: a.height, width: a.width, channels: a.inputChannels)
    guard let image = data.image, image.channels == own.channels, image == own || a.context != nil else {
      throw InputError(
        "a network for \(a.height) × \(a.width) images of \(a.inputChannels) channels; the data has \(data.text)")
    }
    let classes = a.condition.classCount
    guard classes == 0 || data.conditionShape.classCount <= classes else {
      throw InputError("a network of \(classes) classes; the data has \(data.conditionShape.classCount)")
    }
    if image == own { return self }
    var other = a
    (other.height, other.width) = (image.height, image.width)
    return try UNet(other, winograd: usesWinograd, levels: levels).beginning(with: values)
  }
}
