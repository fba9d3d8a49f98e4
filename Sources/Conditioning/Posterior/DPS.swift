// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Diffusion posterior sampling (Chung et al. 2023): pₜ(y | x) ≈ p(y | x̂₀), so that
///
///     ∇ log pₜ(y | x) ≈ ζ (∂x̂₀/∂x)ᵀ ∇ log p(y | x₀ = x̂₀).
///
/// It takes x₀ for known where it is not, and so trusts what was seen too much: of x ~ N(0, 1) given y = x + σ z it
/// draws, whatever the process, N(y (1 − e^{−1/σ²}), σ²/2 (1 − e^{−2/σ²})). For every observation model.
/// `DPSStep` is the paper's own form with the norm of the residual.
public struct DPS: LikelihoodScore {
  /// ζ
  public let scale: Double

  /// - Parameter scale: ζ, above 0; 1 is Bayes' rule.
  public init(scale: Double = 1) { self.scale = scale }

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any LikelihoodTerm {
    Term(scale, observation.model.makeEvaluator(for: rows), rows)
  }

  final class Term: LikelihoodTerm {
    private let scale: Double
    private let model: any ObservationEvaluator
    private let gradient: RowStorage

    init(_ scale: Double, _ model: any ObservationEvaluator, _ rows: RowSpan) {
      (self.scale, self.model) = (scale, model)
      gradient = RowStorage(rows)
    }

    func write(_ state: DenoisedState, into g: Rows) throws {
      let gradient = gradient.view(like: g)
      model.gradient(state.mean, of: state.y, into: gradient)
      for i in 0..<gradient.size { gradient.values[i] *= scale }
      try state.pullback(gradient, into: g)
    }
  }
}
