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
}
