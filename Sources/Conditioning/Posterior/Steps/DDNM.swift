// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// DDNM+, the denoising diffusion null-space model for noisy observations (Wang, Yu and Zhang 2023): each step moves
/// x̂₀ towards what was seen, in the directions that A sees, and adds less noise there, as y has noise of its own. With
/// x_s = b x + a x̂₀ + c z, the step of DDIM with noise c, and direction i seen with deviation d_i,
///
///     x̂₀,i ← x̂₀,i + w_i (ȳ_i − x̂₀,i),   w_i = min(1, c/(a d_i)),   c_i² = c² − (a w_i d_i)².
///
/// Without noise it is DDNM: x̂₀ ← x̂₀ + A⁺ (y − A x̂₀).
public struct DDNM: PosteriorStep {
  /// η
  public let eta: Double
  private let spectrum: BlockSpectrum

  /// - Parameters:
  ///   - observation: what was seen, linear.
  ///   - eta: 0 < η ≤ 1, which is ancestral sampling.
  /// - Throws: `InputError` for an observation without singular values.
  public init(_ observation: Observation, eta: Double = 1) throws {
    precondition(eta > 0 && eta <= 1)
    self.eta = eta
    spectrum = try SpectralModel.spectrum(of: observation.requireLinear())
  }

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any PosteriorStepTerm {
    Term(eta, try SpectralModel(observation, rows, spectrum), observation, rows)
  }

  final class Term: PosteriorStepTerm {
    private let eta: Double
    private let model: SpectralModel
    private let seen, means, noises, change: RowStorage

    init(_ eta: Double, _ model: SpectralModel, _ observation: Observation, _ rows: RowSpan) {
      (self.eta, self.model) = (eta, model)
      let observed = rows.with(dimension: observation.model.observedDimension)
      (seen, means, noises) = (RowStorage(observed), RowStorage(observed), RowStorage(observed))
      change = RowStorage(rows)
    }

    func step(_ x: Rows, _ state: DenoisedState, noise: Rows, _ levels: StepLevels) throws {
      let (seen, means, noises) = (seen.view(like: x), means.view(like: x), noises.view(like: x))
      let change = change.view(like: x)
      model.observed(like: x, into: seen)
      model.coefficients(of: state.mean, into: means)
      model.coefficients(of: noise, into: noises)
      let added = levels.addedDeviation(eta: eta)
      let (b, a) = levels.coefficients(added: added)
      for row in 0..<x.count {
        for i in 0..<seen.dimension {
          let deviation = model.deviations[i]
          let seenDeviation = a * deviation
          let isSharp = seenDeviation <= added
          let weight = isSharp ? 1 : added / seenDeviation
          let left = isSharp ? (added * added - seenDeviation * seenDeviation).squareRoot() : 0
          seen[row, i] = a * weight * (seen[row, i] - means[row, i]) + (left - added) * noises[row, i]
        }
      }
      model.expand(seen, into: change)
      for i in 0..<x.size {
        x.values[i] = b * x.values[i] + a * state.mean.values[i] + added * noise.values[i] + change.values[i]
      }
    }
  }
}
