// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Tensors

extension Catalogue {
  static let standardNetworks = Kinds<NetworkRecipe>([
    Kind("mlp", "a multilayer perceptron on [x, features of the noise level], SiLU between layers") { options, _ in
      let hidden = try options.integers(
        "hidden", default: [256, 256, 256], atLeast: 1, "the widths of the hidden layers")
      let kind = try options.choice(
        "time", default: TimeFeatures.Kind.sinusoidal, "features of 1000 t/T (sinusoidal) or of ln(σ/m) (fourier)")
      let count = try options.integer("features", default: 64, atLeast: 2, "how many features; even")
      let scale = try options.only(if: kind == .fourier, needs: "time: fourier") {
        try options.number("scale", default: 0.2, in: .positive, "the spread of fourier frequencies")
      }
      let told = try Told(options)
      guard count % 2 == 0, count <= 65_536 else {
        throw options.wrong("features", "is \(count); allowed: an even number up to 65536")
      }
      return NetworkRecipe { data, seed in
        let condition = try told.condition(of: data)
        let widths = [data.dimension + count * (condition == .nothing ? 1 : 2)] + hidden + [data.outputDimension]
        let weights = zip(widths, widths.dropFirst()).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        guard weights < 0x1p31 else {
          throw InputError("a network of \(written(weights)) weights; allowed: fewer than 2147483648")
        }
        return MLP(
          dimension: data.dimension, output: data.outputDimension, hidden: hidden,
          features: TimeFeatures(kind, count: count, scale: scale, seed: seed), condition: condition)
      }
    },
    Kind("unet", "DDPM's U-Net, as diffusers' UNet2DModel; for images") { options, _ in try unet(options) },
    Kind("diffusers", "a UNet2DModel saved by diffusers, with its weights; for images") { options, _ in
      let path = try options.file(
        "path", example: "ddpm-cifar10-32", allowed: "a folder",
        "with config.json and diffusion_pytorch_model.safetensors, or a pipeline's; relative to the config")
      let subfolder = try options.optionalText(
        "subfolder", allowed: "a folder within path",
        "the network's, such as unet_ema; without: path itself, unet or unet_ema")
      let variant = try options.optionalText(
        "variant", allowed: "such as fp16", "of the weights; without: those that have none, or the only ones")
      let winograd = try options.flag("winograd", default: true, "allow Winograd's filtering of 3 × 3 convolutions")
      let folder = try DiffusersFolder(path, subfolder: subfolder, variant: variant, winograd: winograd)
      for note in folder.notes { options.note("path", note) }
      let network = folder.network
      return NetworkRecipe(pretrained: NetworkRecipe.Pretrained(folder)) { data, _ in
        let a = network.architecture
        guard let image = data.image, image == ImageShape(height: a.height, width: a.width, channels: a.inputChannels)
        else {
          throw InputError(
            "a network for \(a.height) × \(a.width) images of \(a.inputChannels) channels; the data has \(data.text)")
        }
        let classes = a.condition.classCount
        guard classes == 0 || data.conditionShape.classCount <= classes else {
          throw InputError("a network of \(classes) classes; the data has \(data.conditionShape.classCount)")
        }
        return network
      }
    },
  ])

  /// Which of the data's conditions a network is told.
  private struct Told {
    private let classes, all: Bool

    init(_ options: Options) throws {
      classes = try options.flag("class_conditional", default: false, "tell the network each row's class")
      all = try options.flag(
        "conditional", default: false, "tell the network what the data knows of each row: its class, numbers, or both")
    }

    func condition(of data: DataShape) throws -> ConditionShape {
      guard !classes || data.conditionShape.classCount > 0 else {
        throw InputError("class_conditional needs data with classes; this has none")
      }
      guard classes || all else { return .nothing }
      guard data.conditionShape != .nothing else {
        throw InputError("conditional needs data that knows something of each row; this knows nothing")
      }
      guard data.conditionShape != .text else {
        throw InputError("conditional needs classes or numbers; this data knows texts")
      }
      return all ? data.conditionShape : .classes(data.conditionShape.classCount)
    }
  }

  private enum Time: String, CaseIterable { case positional, fourier }

  private static func unet(_ options: Options) throws -> NetworkRecipe {
    let widths = try options.integers(
      "channels", default: [64, 128, 128], atLeast: 1, "of each stage; every further stage halves the image")
    let blocks = try options.integer("blocks", default: 2, atLeast: 1, atMost: 100, "residual blocks of a stage")
    let attention = try options.integers(
      "attention", default: [16], atLeast: 0, "heights of image, in pixels, at which stages have self-attention")
    let head = try options.integer(
      "head_channels", default: 0, atLeast: 0, "channels of an attention head; 0: one head")
    let groups = try options.integer(
      "groups", default: 0, atLeast: 0, "of normalisations; 0: the most up to 32 that fit")
    let time = try options.choice(
      "time", default: Time.positional, "features of 1000 t/T − 1 (positional) or of ln(σ/m) (fourier)")
    let scale = try options.only(if: time == .fourier, needs: "time: fourier") {
      try options.number("scale", default: 0.2, in: .positive, "the spread of fourier frequencies")
    }
    let scaleShift = try options.flag(
      "scale_shift", default: false, "the time embedding scales and shifts normalised values, not only shifts before")
    let resampling = try options.choice(
      "resampling", default: UNetArchitecture.Resampling.convolution,
      "strided convolutions, or residual blocks that average and repeat pixels")
    let outputScale = try options.flag("scale_output", default: false, "divide the output by σ/m; fourier time only")
    let dropout = try options.number(
      "dropout", default: 0, in: .from(0, below: 1), "share of values dropped in training")
    let told = try Told(options)
    let winograd = try options.flag("winograd", default: true, "allow Winograd's filtering of 3 × 3 convolutions")
    guard !outputScale || time == .fourier else {
      throw options.wrong("scale_output", "needs time: fourier")
    }
    return NetworkRecipe { data, seed in
      guard let image = data.image else { throw InputError("a U-Net is for images; the data has \(data.text)") }
      let condition = try told.condition(of: data)
      var a = UNetArchitecture(
        height: image.height, width: image.width, channels: image.channels, widths: widths, blocks: blocks,
        attention: attention, resampling: resampling)
      let heights = a.down.indices.map { image.height >> $0 }
      // 0 stands for no attention, and the default for heights that small images do not have.
      if attention != [16], let height = attention.first(where: { $0 > 0 && !heights.contains($0) }) {
        throw InputError("attention has no effect at height \(height); its stages have heights \(heights)")
      }
      a.headChannels = head == 0 ? nil : head
      try a.checkCounts()
      let sums = a.down.map(\.channels) + a.skipSums().map { $0 + $1 }
      a.groups = groups > 0 ? groups : (1...32).last { count in sums.allSatisfy { $0 % count == 0 } } ?? 1
      a.scaleShift = scaleShift
      a.middleAttentionGroups = scaleShift ? nil : a.groups
      if time == .fourier {
        a.time = .fourier(
          frequencies: TimeFeatures.turns(widths[0], scale: scale, seed: seed), dividesOutput: outputScale)
      }
      a.dropout = dropout
      a.condition = condition
      return try UNet(a, winograd: winograd)
    }
  }
}

extension DataShape {
  fileprivate var text: String {
    image.map { "\($0.height) × \($0.width) images of \($0.channels) channels" } ?? "rows of \(dimension) values"
  }
}
