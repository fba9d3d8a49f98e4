// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Moment-matching posterior sampling (Rozet et al. 2024): p(x₀ | x_t) ≈ N(x̂₀, V) with the true covariance V = v/m
/// ∂x̂₀/∂x, so that
///
///     ∇ log pₜ(y | x) ≈ (∂x̂₀/∂x)ᵀ Aᵀ u,   (C + A V Aᵀ) u = y − A x̂₀,
///
/// u by conjugate gradients, each step of which takes a product with the Jacobian. Exact for Gaussian data once there
/// are as many steps as C⁻¹ A V Aᵀ has different eigenvalues.
///
/// V is a covariance, so that uᵀ (C + A V Aᵀ) u is at least uᵀ C u. The Jacobian of a network need not give such a V:
/// where a direction falls below that, its variance counts as 0, and the row's iteration ends. Without this, more steps
/// make more samples run away, as they divide by what is left of the noise.
public struct MMPS: LikelihoodScore {
  /// How many steps the conjugate gradients take at most.
  public let iterations: Int
  /// The residual, of that of u = 0, at which they end.
  public let tolerance: Double

  /// - Parameters:
  ///   - iterations: at least 1. The paper has 1 to 5.
  ///   - tolerance: 0 or more.
  public init(iterations: Int = 5, tolerance: Double = 1e-10) {
    precondition(iterations > 0 && tolerance >= 0)
    (self.iterations, self.tolerance) = (iterations, tolerance)
  }

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any LikelihoodTerm {
    Term(self, try observation.whiteModel(for: rows), rows)
  }

  final class Term: LikelihoodTerm {
    private let method: MMPS
    private let model: any WhiteModel
    private let gradients: ConjugateGradients
    private let residual, solution, back, covaried: RowStorage

    init(_ method: MMPS, _ model: any WhiteModel, _ rows: RowSpan) {
      (self.method, self.model) = (method, model)
      let observed = rows.with(dimension: model.observedDimension)
      gradients = ConjugateGradients(observed)
      (residual, solution) = (RowStorage(observed), RowStorage(observed))
      (back, covaried) = (RowStorage(rows), RowStorage(rows))
    }

    func write(_ state: DenoisedState, into g: Rows) throws {
      let (r, u) = (residual.view(like: g), solution.view(like: g))
      let (back, covaried) = (back.view(like: g), covaried.view(like: g))
      model.linearise(state, into: r)
      try gradients.solve(r, into: u, iterations: method.iterations, tolerance: method.tolerance, least: 1) {
        p, product in
        model.multiplyTransposed(p, into: back)
        try state.covary(back, into: covaried)
        model.multiply(covaried, into: product)
        for i in 0..<p.size { product.values[i] += p.values[i] }
      }
      model.multiplyTransposed(u, into: back)
      try state.pullback(back, into: g)
    }
  }
}
