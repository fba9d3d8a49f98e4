// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// out(attention(x, y)) of features whose positions are tokens, with diffusers' names: y is x itself, or a context.
public struct ContextAttention: Sendable {
  /// Queries alone beside a context; without one queries, keys and values in one product.
  let inputs: ConvolutionLayer
  /// Keys and values of the context, in one product.
  let others: ConvolutionLayer?
  let output: ConvolutionLayer
  let shape: AttentionShape

  /// - Parameters:
  ///   - x: rows × count of the input's shape.
  ///   - context: as many rows × count of the context's shape; not read by attention of x to itself.
  ///   - tape: records the operations.
  /// - Returns: the shape of x.
  public func callAsFunction(_ x: Tensor, context: Tensor, on tape: Tape) -> Tensor {
    let asked = inputs(x, on: tape)
    let attended: Tensor
    if let others {
      let known = tape.keep(by: others.weight) { others(context, on: tape) }
      attended = tape.crossAttention(asked, known, shape)
      tape.recycleUnlessKept(known)
    } else {
      attended = tape.attention(asked, shape)
    }
    tape.recycle(asked)
    let out = output(attended, on: tape)
    tape.recycle(attended)
    return out
  }
}

extension LayerBuilder {
  /// Attention as diffusers' `Attention` without biases of queries, keys and values.
  /// - Parameters:
  ///   - name: of the layer.
  ///   - input: of x and of the result.
  ///   - context: of what is asked; nil: x itself.
  ///   - heads: equal parts of the channels that attend by themselves.
  public mutating func contextAttention(
    _ name: String, _ input: FeatureShape, context: FeatureShape?, heads: Int
  ) -> ContextAttention {
    let channels = input.channels
    let queries = context == nil ? ["to_q", "to_k", "to_v"] : ["to_q"]
    let inputs = convolution(
      queries.map { "\(name).\($0)" }, from: input, to: channels, kernel: 1, linear: true, bias: false)
    let others = context.map {
      convolution(
        ["to_k", "to_v"].map { "\(name).\($0)" }, from: $0, to: channels, kernel: 1, linear: true, bias: false)
    }
    let output = convolution(["\(name).to_out.0"], from: input, to: channels, kernel: 1, linear: true)
    return ContextAttention(
      inputs: inputs, others: others, output: output,
      shape: AttentionShape(
        channels: channels, queries: input.positions, keys: (context ?? input).positions, heads: heads, tiled: true))
  }
}
