// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Tweedie moment projected diffusions (Boys et al. 2023): as MMPS, p(x₀ | x_t) has its true covariance V = v/m
/// ∂x̂₀/∂x, but A V Aᵀ is replaced by the diagonal matrix of its row sums, which one product gives:
///
///     ∇ log pₜ(y | x) ≈ (∂x̂₀/∂x)ᵀ Aᵀ (C + diag(A V Aᵀ 1))⁻¹ (y − A x̂₀).
///
/// Exact for Gaussian data where A V Aᵀ is diagonal, as for masks of independent values. Sums are those of L⁻¹ A with C
/// = L Lᵀ; where one is below 0, it counts as 0.
public struct TMPD: LikelihoodScore {
  /// The method has no parameters.
  public init() {}

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any LikelihoodTerm {
    Term(try observation.whiteModel(for: rows), rows)
  }

  final class Term: LikelihoodTerm {
    private let model: any WhiteModel
    private let residual, sums: RowStorage
    private let back, covaried: RowStorage

    init(_ model: any WhiteModel, _ rows: RowSpan) {
      self.model = model
      let observed = rows.with(dimension: model.observedDimension)
      (residual, sums) = (RowStorage(observed), RowStorage(observed))
      (back, covaried) = (RowStorage(rows), RowStorage(rows))
    }

    func write(_ state: DenoisedState, into g: Rows) throws {
      let (r, sums) = (residual.view(like: g), sums.view(like: g))
      let (back, covaried) = (back.view(like: g), covaried.view(like: g))
      model.linearise(state, into: r)
      sums.fill(1)
      model.multiplyTransposed(sums, into: back)
      try state.covary(back, into: covaried)
      model.multiply(covaried, into: sums)
      for i in 0..<r.size { r.values[i] /= 1 + max(0, sums.values[i]) }
      model.multiplyTransposed(r, into: back)
      try state.pullback(back, into: g)
    }
  }
}
