// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A small network that says what is on a picture, a number for each of some words, and whose features on the way there
/// measure how alike two pictures are (Johnson et al. 2016). Stages of two 3 × 3 convolutions with SiLU halve the
/// picture; the mean of the last stage over all positions goes through a linear layer.
public struct FeatureNetwork: Network {
  public let dimension: Int
  public let outputDimension: Int
  public let layout: ParameterLayout
  public let conditionShape: ConditionShape
  private let layers: [(first: ConvolutionLayer, second: ConvolutionLayer)]
  private let words: LinearLayer
  private let builder: LayerBuilder

  /// - Parameters:
  ///   - height: of a picture, in pixels.
  ///   - width: of a picture, in pixels.
  ///   - channels: of a picture.
  ///   - widths: the channels of each stage; every stage but the last halves the picture, while its sides are even.
  ///   - count: how many numbers come out.
  public init(height: Int, width: Int, channels: Int, widths: [Int] = [16, 32, 64], words count: Int) {
    precondition(!widths.isEmpty && count > 0, "stages and words")
    var builder = LayerBuilder()
    var shape = FeatureShape(ChannelPlaces(channels), height: height, width: width)
    var layers: [(ConvolutionLayer, ConvolutionLayer)] = []
    for (stage, width) in widths.enumerated() {
      let first = builder.convolution(["stages.\(stage).0"], from: shape, to: ChannelPlaces(width), kernel: 3)
      let second = builder.convolution(
        ["stages.\(stage).1"], from: first.shape.output, to: ChannelPlaces(width), kernel: 3)
      layers.append((first, second))
      shape = Self.pooled(second.shape.output, isLast: stage + 1 == widths.count)
    }
    self.layers = layers
    words = builder.linear("words", from: shape.channels.padded, to: count)
    (layout, self.builder) = (builder.layout, builder)
    (dimension, outputDimension) = (height * width * channels, count)
    conditionShape = .numbers(count)
  }

  private static func pooled(_ shape: FeatureShape, isLast: Bool) -> FeatureShape {
    !isLast && shape.height % 2 == 0 && shape.width % 2 == 0 ? shape.halved : shape
  }

  /// How many stages there are.
  public var stages: Int { layers.count }
  public var noiseInput: NoiseLevelInput { .time }
  /// Training hands it the words of each row, at which it does not look.
  public var knowsNothing: Bool { true }
  public var shardRows: ClosedRange<Int> { 1...32 }

  public func initialParameters(seed: UInt64) -> [Float] { builder.initialParameters(seed: seed) }

  /// The features of every stage, blocked.
  /// - Parameters:
  ///   - x: pictures, rows × `dimension`.
  ///   - tape: records the operations.
  public func features(_ x: Tensor, on tape: Tape) -> [Tensor] {
    var h = tape.blocked(x, layers[0].first.shape.input)
    var features: [Tensor] = []
    for (stage, layer) in layers.enumerated() {
      h = tape.silu(layer.second(tape.silu(layer.first(h, on: tape)), on: tape))
      features.append(h)
      guard stage + 1 < layers.count else { break }
      let next = layers[stage + 1].first.shape.input
      if next != layer.second.shape.output { h = tape.sumPool(h, next, factor: 0.25) }
    }
    return features
  }

  /// The logarithms of the odds of every word: rows × words.
  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    let last = features(x, on: tape)[stages - 1]
    let shape = layers[stages - 1].second.shape.output
    return words(tape.scale(tape.channelSums(last, shape), by: 1 / Float(shape.positions)), on: tape)
  }
}
