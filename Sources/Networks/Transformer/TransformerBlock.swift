// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// Diffusers' `BasicTransformerBlock`: attention to itself, attention to a context, and a layer of gated units, each of
/// layer-normalised features and added to what it read.
///
///     x ← x + attend(norm₁(x));  x ← x + attend(norm₂(x), context);  x ← x + W₂ geglu(W₁ norm₃(x))
public struct TransformerBlock: Sendable {
  let norm1, norm2, norm3: ChannelNormLayer
  let itself, context: ContextAttention
  /// Values, then gates, each 4 × as wide as x.
  let widening: ConvolutionLayer
  let narrowing: ConvolutionLayer

  /// - Parameters:
  ///   - x: rows × count of the shape; nobody else will read it.
  ///   - known: the context, as many rows × count of the context's shape.
  ///   - tape: records the operations.
  /// - Returns: the shape of x.
  public func callAsFunction(_ x: Tensor, context known: Tensor, on tape: Tape) -> Tensor {
    var path = Path(x, on: tape)
    path.step { add(to: $0, norm1, on: tape) { itself($0, context: known, on: tape) } }
    path.step { add(to: $0, norm2, on: tape) { context($0, context: known, on: tape) } }
    path.step {
      add(to: $0, norm3, on: tape) {
        let wide = widening($0, on: tape)
        let gated = tape.geglu(wide)
        tape.recycle(wide)
        let out = narrowing(gated, on: tape)
        tape.recycle(gated)
        return out
      }
    }
    return path.value
  }

  /// x + layer(norm(x))
  private func add(
    to x: Tensor, _ norm: ChannelNormLayer, on tape: Tape, _ layer: (Tensor) -> Tensor
  ) -> Tensor {
    let normed = norm(x, on: tape)
    let change = layer(normed)
    tape.recycle(normed)
    return tape.sum(1, x, 1, change, last: true)
  }
}

extension LayerBuilder {
  /// A transformer block.
  /// - Parameters:
  ///   - name: of the layer.
  ///   - input: of x and of the result, whose channels are one run.
  ///   - context: of what is asked.
  ///   - heads: equal parts of the channels that attend by themselves.
  ///   - onlyContext: whether the first attention asks the context, too.
  public mutating func transformerBlock(
    _ name: String, _ input: FeatureShape, context: FeatureShape, heads: Int, onlyContext: Bool = false
  ) -> TransformerBlock {
    let channels = input.channels
    let wide = 4 * channels.count
    let norm1 = channelNorm("\(name).norm1", input)
    let itself = contextAttention("\(name).attn1", input, context: onlyContext ? context : nil, heads: heads)
    let norm2 = channelNorm("\(name).norm2", input)
    let asked = contextAttention("\(name).attn2", input, context: context, heads: heads)
    let norm3 = channelNorm("\(name).norm3", input)
    // Values and gates each begin a block of places, so that they are two halves of a row.
    let widening = convolution(
      ["\(name).ff.net.0.proj"], from: input, to: ChannelPlaces([wide, wide]), kernel: 1, linear: true)
    let narrowing = convolution(
      ["\(name).ff.net.2"], from: input.with(ChannelPlaces(wide)), to: channels, kernel: 1, linear: true)
    return TransformerBlock(
      norm1: norm1, norm2: norm2, norm3: norm3, itself: itself, context: asked, widening: widening,
      narrowing: narrowing)
  }
}
