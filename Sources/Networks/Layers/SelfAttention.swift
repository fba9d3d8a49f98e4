// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// x + out(attention(norm(x))) over all positions, divided by a factor.
public struct SelfAttention: Sendable {
  let norm: NormLayer?
  /// Queries, keys and values in one product.
  let inputs: ConvolutionLayer
  let output: ConvolutionLayer
  let shape: AttentionShape
  let factor: Float

  /// rows × count to rows × count of the input's shape.
  public func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    let h = norm.map { $0(x, silu: false, on: tape) } ?? x
    let all = inputs(h, on: tape)
    if norm != nil { tape.recycle(h) }
    let attended = tape.attention(all, shape)
    tape.recycle(all)
    let change = output(attended, on: tape)
    tape.recycle(attended)
    return tape.sum(factor, x, factor, change, last: true)
  }
}

extension LayerBuilder {
  /// Self-attention with the names that diffusers gives its parts.
  /// - Parameters:
  ///   - name: of the layer.
  ///   - input: of input and output.
  ///   - heads: equal parts of the channels that attend by themselves.
  ///   - groups: of the normalisation before it; nil: none.
  ///   - epsilon: of the normalisation.
  ///   - factor: what the sum is divided by.
  public mutating func selfAttention(
    _ name: String, _ input: FeatureShape, heads: Int, groups: Int?, epsilon: Double, dividedBy factor: Double = 1
  ) -> SelfAttention {
    let channels = input.channels
    let norm = groups.map { self.norm("\(name).group_norm", input, groups: $0, epsilon: epsilon) }
    let inputs = convolution(
      ["to_q", "to_k", "to_v"].map { "\(name).\($0)" }, from: input, to: channels, kernel: 1, linear: true)
    let output = convolution(
      ["\(name).to_out.0"], from: input, to: channels, kernel: 1, linear: true, zero: true)
    return SelfAttention(
      norm: norm, inputs: inputs, output: output,
      shape: AttentionShape(channels: channels, positions: input.positions, heads: heads), factor: Float(1 / factor))
  }
}
