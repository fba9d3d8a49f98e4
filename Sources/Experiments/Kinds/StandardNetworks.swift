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
      let second = try options.secondLevel()
      let divergence = try options.divergence(second)
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
          features: TimeFeatures(kind, count: count, scale: scale, seed: seed), condition: condition, second: second,
          divergence: divergence)
      }
    },
    Kind("unet", "DDPM's U-Net, as diffusers' UNet2DModel; for images") { options, _ in try unet(options) },
    textUNet,
    diffusersNetwork,
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

  private static func unet(_ options: Options) throws -> NetworkRecipe {
    let unet = try UNetOptions(options, hasContext: false)
    let told = try Told(options)
    let winograd = try options.flag("winograd", default: true, "allow Winograd's filtering of 3 × 3 convolutions")
    let second = try options.secondLevel()
    let divergence = try options.divergence(second)
    return NetworkRecipe { data, seed in
      var architecture = try unet.architecture(for: data, told: try told.condition(of: data), seed: seed)
      (architecture.second, architecture.divergence) = (second, divergence)
      return try UNet(architecture, winograd: winograd)
    }
  }
}

extension Options {
  /// `second`, of networks that map between two times. The identity of others does not name it.
  fileprivate func secondLevel() throws -> Bool {
    try rareFlag("second", "tell the network a second noise level: a map from one time to another (flow maps)")
  }

  /// `divergence`, of networks that are told a second noise level.
  fileprivate func divergence(_ hasSecond: Bool) throws -> Bool {
    try only(if: hasSecond, needs: "second: true") {
      try rareFlag(
        "divergence", "a second output: the mean divergence of the flow between two times (F2D2), for likelihoods")
    }
  }
}

extension DataShape {
  /// Its rows in words, for messages.
  var text: String {
    image.map { "\($0.height) × \($0.width) images of \($0.channels) channels" } ?? "rows of \(dimension) values"
  }
}
