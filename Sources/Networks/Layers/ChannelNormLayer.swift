// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// Layer normalisation over the channels of each position, with a scale and an offset of each channel (Ba et al. 2016).
public struct ChannelNormLayer: Sendable {
  let scale, offset: Int
  let epsilon: Float
  /// The shape of input and output.
  public let shape: FeatureShape

  /// rows × `shape.count` to the same.
  public func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    tape.channelNorm(x, shape, scale: tape.parameter(scale), offset: tape.parameter(offset), epsilon: epsilon)
  }
}

extension LayerBuilder {
  /// A layer normalisation: `name`.weight and `name`.bias, [channels] each.
  /// - Parameters:
  ///   - name: of the layer.
  ///   - shape: of input and output, whose channels are one run.
  ///   - epsilon: added to variances.
  public mutating func channelNorm(_ name: String, _ shape: FeatureShape, epsilon: Double = 1e-5) -> ChannelNormLayer {
    let count = shape.channels.count
    return ChannelNormLayer(
      scale: add([name + ".weight"], shape: [count], .vector(shape.channels), .ones),
      offset: add([name + ".bias"], shape: [count], .vector(shape.channels), .zeros), epsilon: Float(epsilon),
      shape: shape)
  }
}
