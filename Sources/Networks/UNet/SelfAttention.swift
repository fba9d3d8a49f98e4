// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// x + out(attention(norm(x))) over all pixels, divided by a factor.
struct SelfAttention: Sendable {
  let norm: NormLayer?
  /// Queries, keys and values in one product.
  let inputs: ConvolutionLayer
  let output: ConvolutionLayer
  let shape: AttentionShape
  let factor: Float

  init(
    _ name: String, _ input: FeatureShape, _ a: UNetArchitecture, groups: Int?, factor: Double = 1,
    _ builder: inout LayerBuilder
  ) {
    let channels = input.channels
    norm = groups.map { builder.norm("\(name).group_norm", input, groups: $0, epsilon: a.epsilon) }
    inputs = builder.convolution(
      ["to_q", "to_k", "to_v"].map { "\(name).\($0)" }, from: input, to: channels, kernel: 1, linear: true)
    output = builder.convolution(
      ["\(name).to_out.0"], from: input, to: channels, kernel: 1, linear: true, zero: true)
    shape = AttentionShape(
      channels: channels, pixels: input.pixels,
      heads: a.headChannels.map { channels.count / $0 } ?? 1)
    self.factor = Float(1 / factor)
  }

  func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
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
