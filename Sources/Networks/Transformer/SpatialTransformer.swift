// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// Diffusers' `Transformer2DModel` of images: x + out(blocks(in(norm(x)), context)), where every position is a token
/// (Rombach et al. 2022).
public struct SpatialTransformer: Sendable {
  let norm: NormLayer
  let input, output: ConvolutionLayer
  let blocks: [TransformerBlock]

  /// - Parameters:
  ///   - x: rows × count of the input's shape.
  ///   - context: as many rows × count of the context's shape.
  ///   - tape: records the operations.
  /// - Returns: the shape of x.
  public func callAsFunction(_ x: Tensor, context: Tensor, on tape: Tape) -> Tensor {
    var h = Path(norm(x, silu: false, on: tape), on: tape)
    h.step { input($0, on: tape) }
    var tokens = h.value
    // A block gives the memory of what it reads back.
    for block in blocks { tokens = block(tokens, context: context, on: tape) }
    let change = output(tokens, on: tape)
    tape.recycle(tokens)
    return tape.sum(1, x, 1, change, last: true)
  }
}

extension LayerBuilder {
  /// A transformer over the positions of an image, with the names that diffusers gives its parts.
  /// - Parameters:
  ///   - name: of the layer.
  ///   - input: of x and of the result, whose channels are one run.
  ///   - context: of what is asked.
  ///   - heads: equal parts of the channels that attend by themselves.
  ///   - layers: how many blocks there are.
  ///   - groups: of the normalisation of x.
  ///   - linear: whether the weights before and after the blocks are called [out, in] in checkpoints, not
  ///     [out, in, 1, 1].
  ///   - onlyContext: whether no position asks the others.
  public mutating func spatialTransformer(
    _ name: String, _ input: FeatureShape, context: FeatureShape, heads: Int, layers: Int, groups: Int, linear: Bool,
    onlyContext: Bool = false
  ) -> SpatialTransformer {
    let norm = norm("\(name).norm", input, groups: groups, epsilon: 1e-6)
    let first = convolution(["\(name).proj_in"], from: input, to: input.channels, kernel: 1, linear: linear)
    let blocks = (0..<layers).map {
      transformerBlock(
        "\(name).transformer_blocks.\($0)", input, context: context, heads: heads, onlyContext: onlyContext)
    }
    let last = convolution(
      ["\(name).proj_out"], from: input, to: input.channels, kernel: 1, linear: linear, zero: true)
    return SpatialTransformer(norm: norm, input: first, output: last, blocks: blocks)
  }
}
