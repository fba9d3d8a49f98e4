// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// x + out(attention(norm(x), context)): every position of x asks all positions of a context, such as the tokens of a
/// text.
public struct CrossAttention: Sendable {
  let norm: NormLayer?
  let queries: ConvolutionLayer
  /// Keys and values in one product.
  let others: ConvolutionLayer
  let output: ConvolutionLayer
  let shape: AttentionShape

  /// - Parameters:
  ///   - x: rows × count of the input's shape.
  ///   - context: as many rows × count of the context's shape.
  ///   - tape: records the operations.
  /// - Returns: the shape of x.
  public func callAsFunction(_ x: Tensor, context: Tensor, on tape: Tape) -> Tensor {
    let h = norm.map { $0(x, silu: false, on: tape) } ?? x
    let asked = queries(h, on: tape)
    if norm != nil { tape.recycle(h) }
    let known = others(context, on: tape)
    let attended = tape.crossAttention(asked, known, shape)
    tape.recycle(asked)
    tape.recycle(known)
    let change = output(attended, on: tape)
    tape.recycle(attended)
    return tape.sum(1, x, 1, change, last: true)
  }
}

extension LayerBuilder {
  /// Cross attention with the names that diffusers gives its parts.
  /// - Parameters:
  ///   - name: of the layer.
  ///   - input: of x and of the result.
  ///   - context: of what is asked; it may have other axes and channels.
  ///   - heads: equal parts of the channels that attend by themselves.
  ///   - groups: of the normalisation of x; nil: none.
  ///   - epsilon: of the normalisation.
  public mutating func crossAttention(
    _ name: String, _ input: FeatureShape, context: FeatureShape, heads: Int, groups: Int?, epsilon: Double
  ) -> CrossAttention {
    let channels = input.channels
    let norm = groups.map { self.norm("\(name).group_norm", input, groups: $0, epsilon: epsilon) }
    let queries = convolution(["\(name).to_q"], from: input, to: channels, kernel: 1, linear: true)
    let others = convolution(
      ["to_k", "to_v"].map { "\(name).\($0)" }, from: context, to: channels, kernel: 1, linear: true)
    let output = convolution(["\(name).to_out.0"], from: input, to: channels, kernel: 1, linear: true, zero: true)
    return CrossAttention(
      norm: norm, queries: queries, others: others, output: output,
      shape: AttentionShape(channels: channels, queries: input.positions, keys: context.positions, heads: heads))
  }
}
