// SPDX-License-Identifier: GPL-3.0-or-later

/// What a tape can do. Each has a forward rule (Tape+Forward), a backward rule (Tape+Backward) and a tangent rule
/// (Tape+Tangent); the last two are written in these same operations, so that derivatives can be differentiated.
enum Operation {
  /// A tensor from outside whose derivative is wanted.
  case variable
  /// A parameter of the network, by its index in the layout.
  case parameter(Int)
  /// op(a) op(b), where op transposes on request.
  case matrixProduct(Tensor, Tensor, transposeA: Bool, transposeB: Bool)
  /// x + b, a row added to every row.
  case addBias(Tensor, Tensor)
  /// silu^(order)(x)
  case silu(Tensor, order: Int)
  /// g ⊙ silu^(order)(x)
  case siluProduct(Tensor, Tensor, order: Int)
  /// a x + b y
  case sum(Float, Tensor, Float, Tensor)
  /// x ⊙ y
  case product(Tensor, Tensor)
  /// x_ij s_i for constants s
  case scaleRows(Tensor, by: Tensor)
  /// Σ_i x_ij, a row
  case columnSums(Tensor)
  /// Σ_j x_ij, a column
  case rowSums(Tensor)
  /// A row repeated.
  case repeatRow(Tensor)
  /// A column repeated.
  case repeatColumn(Tensor)
  /// x and y side by side.
  case concatenate(Tensor, Tensor)
  /// The columns from `first` on, as many as the output has.
  case columns(Tensor, first: Int)
  /// x as columns from `first` on, zeros elsewhere.
  case pad(Tensor, first: Int)
  /// [dᵖ/dtᵖ sin(t w), dᵖ/dtᵖ cos(t w)] for a column t and constant frequencies w
  case sinusoids(Tensor, Tensor, order: Int)
  /// Σ_i s_i Σ_j x_ij² for constants s, a scalar
  case weightedSquares(Tensor, by: Tensor)

  // Of images; shapes say how rows are to be read.

  /// Rows of height × width × channel, blocked, and back.
  case blocked(Tensor, FeatureShape)
  case unblocked(Tensor, FeatureShape)
  /// conv(x, w) + b
  case convolution(Tensor, Tensor, bias: Tensor?, ConvolutionShape)
  /// conv(·, w)ᵀ g
  case convolutionAdjoint(Tensor, Tensor, ConvolutionShape)
  /// conv(x, ·)ᵀ g
  case convolutionWeights(Tensor, Tensor, ConvolutionShape)
  /// Fused; a composing tape writes it in other operations.
  case groupNorm(Tensor, GroupNormalisation)
  /// Fused; a composing tape writes it in other operations. `weights` are the softmax's.
  case attention(Tensor, AttentionShape, weights: Tensor)
  /// Nearest upsampling by 2 and its adjoint; the shape is that of the smaller image.
  case repeatPixels(Tensor, FeatureShape, factor: Float)
  case sumPixels(Tensor, FeatureShape, factor: Float)
  /// Σ over pixels and its adjoint.
  case channelSums(Tensor, FeatureShape)
  case spreadChannels(Tensor, FeatureShape)
  /// Some channels as matrices, and the adjoint.
  case pixelsMatrix(Tensor, PixelColumns)
  case matrixPixels(Tensor, PixelColumns)
  /// A matrix product in every row.
  case batchedProduct(Tensor, Tensor, transposeA: Bool, transposeB: Bool, BatchedShape)
  /// softmax(scale · x) along rows
  case softmax(Tensor, scale: Float)
  /// xᵖ
  case power(Tensor, Float)
  /// The same numbers in rows of another length.
  case reshape(Tensor)
  /// Rows of a table by constant indices, and the adjoint.
  case gatherRows(Tensor, Tensor)
  case scatterRows(Tensor, Tensor)
}
