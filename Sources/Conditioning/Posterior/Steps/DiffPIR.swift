// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// DiffPIR, plug-and-play restoration with a diffusion prior (Zhu et al. 2023, algorithm 1): half-quadratic splitting.
/// x̂₀ is moved by a proximal step, and noise is then made anew from it,
///
///     x̂ = argmin_x ½ ‖L⁻¹ (y − A x)‖² + ρ/2 ‖x − x̂₀‖²,  ρ = λ m²/v,   ε̂ = (x_t − m x̂)/σ,
///     x_s = m_s x̂ + σ_s (√(1 − ζ) ε̂ + √ζ z).
public struct DiffPIR: PosteriorStep {
  /// λ and ζ
  public let lambda, zeta: Double
  private let spectrum: BlockSpectrum

  /// - Parameters:
  ///   - observation: what was seen, linear.
  ///   - lambda: λ, above 0; the paper has 7 to 8. λ = 1 is right where x₀ given x_t has variance v/m².
  ///   - zeta: ζ, 0 to 1; the paper has 0.3 to 1.
  /// - Throws: `InputError` for an observation without singular values.
  public init(_ observation: Observation, lambda: Double = 7, zeta: Double = 0.3) throws {
    precondition(lambda > 0 && (0...1).contains(zeta))
    (self.lambda, self.zeta) = (lambda, zeta)
    spectrum = try SpectralModel.spectrum(of: observation.requireLinear(withNoise: true))
  }

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any PosteriorStepTerm {
    let linear = try observation.requireLinear()
    return Term(self, WhiteLinearModel(linear, observation, rows), spectrum, rows)
  }

  final class Term: PosteriorStepTerm {
    private let method: DiffPIR
    private let model: WhiteLinearModel
    private let spectrum: BlockSpectrum
    private let residual, rotated, change: RowStorage

    init(_ method: DiffPIR, _ model: WhiteLinearModel, _ spectrum: BlockSpectrum, _ rows: RowSpan) {
      (self.method, self.model, self.spectrum) = (method, model, spectrum)
      let observed = rows.with(dimension: model.observedDimension)
      (residual, rotated, change) = (RowStorage(observed), RowStorage(observed), RowStorage(rows))
    }

    func step(_ x: Rows, _ state: DenoisedState, noise: Rows, _ levels: StepLevels) throws {
      let change = change.view(like: x)
      let level = levels.deviation / levels.scale
      model.project(
        state.mean, variance: level * level / method.lambda, spectrum, residual.view(like: x), rotated.view(like: x),
        into: change)
      let (old, new) = ((1 - method.zeta).squareRoot(), method.zeta.squareRoot())
      for i in 0..<x.size {
        let mean = state.mean.values[i] + change.values[i]
        let noise = old * (x.values[i] - levels.scale * mean) / levels.deviation + new * noise.values[i]
        x.values[i] = levels.nextScale * mean + levels.nextDeviation * noise
      }
    }
  }
}

extension WhiteLinearModel {
  /// Writes r² Bᵀ (I + r² B Bᵀ)⁻¹ (b − B x): what carries x to the mean of N(x, r² I) given what was seen.
  func project(
    _ x: Rows, variance: Double, _ spectrum: BlockSpectrum, _ residual: Rows, _ rotated: Rows, into change: Rows
  ) {
    self.residual(of: x, into: residual)
    pull(residual, variance: variance, spectrum, rotated, into: change)
  }

  /// Writes r² Bᵀ (I + r² B Bᵀ)⁻¹ of residuals, which are overwritten.
  func pull(_ residual: Rows, variance: Double, _ spectrum: BlockSpectrum, _ rotated: Rows, into change: Rows) {
    spectrum.rotate(residual, into: rotated)
    for row in 0..<rotated.count {
      for j in 0..<rotated.dimension { rotated[row, j] *= variance / (1 + variance * spectrum.values[j]) }
    }
    spectrum.rotateBack(rotated, into: residual)
    multiplyTransposed(residual, into: change)
  }
}
