// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Tensors

/// A small network that assigns rows to classes: features, then a linear layer with an output for each class.
///
/// Points pass two layers of SiLU units. Images pass 3 × 3 convolutions, each of stride 2 that follows a side of more
/// than 8 pixels, and then one layer. The last layer before the outputs gives the features.
struct ClassifierNetwork: Sendable {
  /// A linear layer: where its weight and bias lie.
  private struct Dense: Sendable {
    let weight, bias: Int

    init(
      _ name: String, from input: Int, to output: Int, _ beginning: LayerBuilder.Beginning,
      _ builder: inout LayerBuilder
    ) {
      weight = builder.parameter(name + ".weight", shape: [output, input], beginning)
      bias = builder.parameter(name + ".bias", shape: [output], .zeros)
    }

    func product(_ x: Tensor, on tape: Tape) -> Tensor {
      tape.matrixProduct(x, tape.parameter(weight), transposeB: true)
    }
  }

  let dimension, features, classes: Int
  let layout: ParameterLayout
  private let builder: LayerBuilder
  private let image: FeatureShape?
  private let convolutions: [ConvolutionLayer]
  private let hidden: [Dense]
  private let output: Dense

  /// - Parameters:
  ///   - dimension: how many values a row has.
  ///   - classes: how many classes there are, at least 2.
  ///   - hidden: the widths of the layers, at least one; the last is the number of features, and images have it alone.
  ///   - image: how a row is an image; nil for points.
  init(dimension: Int, classes: Int, hidden: [Int], image: Comparison.Image? = nil) {
    precondition(classes > 1 && !hidden.isEmpty)
    var builder = LayerBuilder()
    var (width, convolutions, layers) = (dimension, [ConvolutionLayer](), [Dense]())
    var (shape, widths) = (FeatureShape?.none, hidden)
    // Smaller ones are points.
    if let image, min(image.height, image.width) >= 4 {
      var input = FeatureShape(ChannelPlaces(image.channels), height: image.height, width: image.width)
      shape = input
      while convolutions.count < 2 || (min(input.height, input.width) > 8 && convolutions.count < 8) {
        let stride = min(input.height, input.width) > 8 || convolutions.count == 1 ? 2 : 1
        let layer = builder.convolution(
          ["convolutions.\(convolutions.count)"], from: input, to: ChannelPlaces(convolutions.isEmpty ? 16 : 32),
          kernel: 3, stride: stride)
        convolutions.append(layer)
        input = layer.shape.output
      }
      width = input.positions * input.channels.count
      widths = [hidden[hidden.count - 1]]
    }
    for (i, next) in widths.enumerated() {
      layers.append(Dense("hidden.\(i)", from: width, to: next, .glorot(fanIn: width, fanOut: next), &builder))
      width = next
    }
    // The first prediction is that all classes are equally likely.
    output = Dense("output", from: width, to: classes, .zeros, &builder)
    (self.dimension, features, self.classes) = (dimension, width, classes)
    (self.image, self.convolutions, self.hidden) = (shape, convolutions, layers)
    (layout, self.builder) = (builder.layout, builder)
  }

  /// Weights uniform as Glorot and Bengio (2010) have it. Those of the first layer of points are 3 times as large, with
  /// biases in ±3: its units then bend within the data, each elsewhere, and laws of equal means are soon told apart.
  func initialParameters(seed: UInt64) -> [Float] {
    var parameters = builder.initialParameters(seed: seed)
    guard image == nil else { return parameters }
    let (weight, bias) = (layout.entries[hidden[0].weight], layout.entries[hidden[0].bias])
    for i in 0..<weight.count { parameters[weight.offset + i] *= 3 }
    let uniforms = NoiseStream(seed: seed, purpose: .weights).uniforms(count: 1, dimension: bias.count, step: 1000)
    for i in 0..<bias.count { parameters[bias.offset + i] = Float(6 * uniforms.values[i] - 3) }
    return parameters
  }

  /// - Parameter x: rows × dimension.
  /// - Returns: rows × features.
  func features(_ x: Tensor, on tape: Tape) -> Tensor {
    var h = x
    if let image {
      h = tape.blocked(h, image)
      for layer in convolutions { h = tape.silu(layer(h, on: tape)) }
      h = tape.unblocked(h, convolutions[convolutions.count - 1].shape.output)
    }
    for layer in hidden { h = tape.biasThenSilu(layer.product(h, on: tape), tape.parameter(layer.bias)) }
    return h
  }

  /// The logarithms of the odds of the classes, up to a number for each row: rows × classes.
  func logits(_ features: Tensor, on tape: Tape) -> Tensor {
    tape.addBias(output.product(features, on: tape), tape.parameter(output.bias))
  }
}
