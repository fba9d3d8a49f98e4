// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// Group normalisation with a scale and an offset of each channel (Wu and He 2018).
public struct NormLayer: Sendable {
  let scale, offset: Int
  let groups: ChannelGroups
  /// The shape of input and output.
  public let shape: FeatureShape

  /// norm(x + shift), then SiLU on request.
  /// - Parameters:
  ///   - x: rows × `shape.count`.
  ///   - silu: whether SiLU follows.
  ///   - shift: added to all positions of a channel; 1 or as many rows × places of channels.
  ///   - last: nobody else will read x.
  ///   - tape: records the operations.
  public func callAsFunction(
    _ x: Tensor, silu: Bool, shift: Tensor? = nil, last: Bool = false, on tape: Tape
  ) -> Tensor {
    tape.groupNorm(
      x, shape, groups, shift: shift, scale: tape.parameter(scale), offset: tape.parameter(offset), silu: silu,
      last: last)
  }

  /// (1 + s) ⊙ norm(x) + t, then SiLU.
  /// - Parameters:
  ///   - x: rows × `shape.count`.
  ///   - s: 1 or as many rows × places of channels.
  ///   - t: of the shape of s.
  ///   - last: nobody else will read x.
  ///   - tape: records the operations.
  public func modulated(_ x: Tensor, by s: Tensor, _ t: Tensor, last: Bool, on tape: Tape) -> Tensor {
    let ones = tape.constant(rows: 1, columns: s.columns)
    ones.values.update(repeating: 1, count: ones.count)
    let factor = tape.addBias(s, ones)
    func row(_ index: Int) -> Tensor { tape.repeatRow(tape.parameter(index), rows: s.rows) }
    return tape.groupNorm(
      x, shape, groups, scale: tape.product(factor, row(scale)),
      offset: tape.sum(1, tape.product(factor, row(offset)), 1, t), silu: true, last: last)
  }
}

extension LayerBuilder {
  /// A group normalisation: `name`.weight and `name`.bias, [channels] each.
  /// - Parameters:
  ///   - name: of the layer.
  ///   - shape: of input and output.
  ///   - groups: how many equal groups the channels are in.
  ///   - epsilon: added to variances.
  public mutating func norm(_ name: String, _ shape: FeatureShape, groups: Int, epsilon: Double) -> NormLayer {
    let count = shape.channels.count
    return NormLayer(
      scale: add([name + ".weight"], shape: [count], .vector(shape.channels), .ones),
      offset: add([name + ".bias"], shape: [count], .vector(shape.channels), .zeros),
      groups: ChannelGroups(shape.channels, groups: groups, epsilon: epsilon), shape: shape)
  }
}
