// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// ΠGDM, pseudoinverse-guided diffusion (Song, Vahdat, Mardani and Kautz 2023): p(x₀ | x_t) ≈ N(x̂₀, r² I), so that
///
///     ∇ log pₜ(y | x) ≈ (∂x̂₀/∂x)ᵀ Aᵀ (r² A Aᵀ + C)⁻¹ (y − A x̂₀),   r² = v ς²/(v + m² ς²).
///
/// r² is the variance of x₀ given x_t for data of variance ς², for which the score is exact. The inverse is made once,
/// by eigenvalues of blocks (`BlockSpectrum`); conjugate gradients take the place of blocks that are too large.
public struct PiGDM: LikelihoodScore {
  /// ς²
  public let dataVariance: Double

  /// - Parameter dataVariance: ς², above 0; the paper has 1.
  public init(dataVariance: Double = 1) {
    precondition(dataVariance > 0)
    self.dataVariance = dataVariance
  }

  /// The largest block whose eigenvalues are computed: some tenths of a second.
  static let largestBlock = 400

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any LikelihoodTerm {
    let spectrum = observation.model.linear?.spectrum(largestBlock: Self.largestBlock)
    return Term(dataVariance, try observation.whiteModel(for: rows), spectrum, rows)
  }

  final class Term: LikelihoodTerm {
    private let dataVariance: Double
    private let model: any WhiteModel
    private let spectrum: BlockSpectrum?
    private let gradients: ConjugateGradients?
    private let residual, solution, back: RowStorage

    init(_ dataVariance: Double, _ model: any WhiteModel, _ spectrum: BlockSpectrum?, _ rows: RowSpan) {
      (self.dataVariance, self.model, self.spectrum) = (dataVariance, model, spectrum)
      let observed = rows.with(dimension: model.observedDimension)
      gradients = spectrum == nil ? ConjugateGradients(observed) : nil
      (residual, solution, back) = (RowStorage(observed), RowStorage(observed), RowStorage(rows))
    }

    func write(_ state: DenoisedState, into g: Rows) throws {
      let (r, u, back) = (residual.view(like: g), solution.view(like: g), back.view(like: g))
      func spread(_ row: Int) -> Double {
        let (m, v) = (state.scale(row), state.variance(row))
        return v * dataVariance / (v + m * m * dataVariance)
      }
      model.linearise(state, into: r)
      if let spectrum {
        spectrum.rotate(r, into: u)
        for row in 0..<r.count {
          let spread = spread(row)
          for j in 0..<u.dimension { u[row, j] /= 1 + spread * spectrum.values[j] }
        }
        spectrum.rotateBack(u, into: r)
      } else {
        try gradients?.solve(r, into: u, iterations: max(100, u.dimension), tolerance: 1e-12) { p, product in
          model.multiplyTransposed(p, into: back)
          model.multiply(back, into: product)
          for row in 0..<p.count {
            let spread = spread(row)
            for j in 0..<p.dimension { product[row, j] = p[row, j] + spread * product[row, j] }
          }
        }
        r.copy(u)
      }
      model.multiplyTransposed(r, into: back)
      try state.pullback(back, into: g)
    }
  }
}
