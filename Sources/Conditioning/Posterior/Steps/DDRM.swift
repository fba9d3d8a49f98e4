// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// DDRM, denoising diffusion restoration models (Kawar, Elad, Ermon and Song 2022, eq. 7 and 8): steps in the singular
/// directions of A, in y = x/m with noise levels σ̃. With direction i seen as ȳ_i with deviation d_i,
///
///     unseen:     x̂₀ + √(1 − η²) σ̃_s (x_t − x̂₀)/σ̃_t + η σ̃_s z
///     σ̃_s < d_i:  x̂₀ + √(1 − η²) σ̃_s (ȳ_i − x̂₀)/d_i + η σ̃_s z
///     else:       (1 − η_b) x̂₀ + η_b ȳ_i + √(σ̃_s² − η_b² d_i²) z.
///
/// The first state is drawn about ȳ_i, with deviation √(σ̃_T² − d_i²).
public struct DDRM: PosteriorStep {
  /// η and η_b
  public let eta, observedEta: Double
  private let spectrum: BlockSpectrum

  /// - Parameters:
  ///   - observation: what was seen, linear.
  ///   - eta: η, 0 to 1; the paper has 0.85.
  ///   - observedEta: η_b, 0 to 1; the paper has 1.
  /// - Throws: `InputError` for an observation without singular values.
  public init(_ observation: Observation, eta: Double = 0.85, observedEta: Double = 1) throws {
    precondition((0...1).contains(eta) && (0...1).contains(observedEta))
    (self.eta, self.observedEta) = (eta, observedEta)
    spectrum = try SpectralModel.spectrum(of: observation.requireLinear())
  }

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any PosteriorStepTerm {
    Term(self, try SpectralModel(observation, rows, spectrum), observation, rows)
  }

  final class Term: PosteriorStepTerm {
    private let method: DDRM
    private let model: SpectralModel
    private let seen, means, noises, parts: RowStorage
    private let change: RowStorage

    init(_ method: DDRM, _ model: SpectralModel, _ observation: Observation, _ rows: RowSpan) {
      (self.method, self.model) = (method, model)
      let observed = rows.with(dimension: observation.model.observedDimension)
      (seen, means, noises, parts) = (
        RowStorage(observed), RowStorage(observed), RowStorage(observed), RowStorage(observed)
      )
      change = RowStorage(rows)
    }

    func begin(_ x: Rows, prior: Moments) {
      let (seen, parts, change) = (seen.view(like: x), parts.view(like: x), change.view(like: x))
      let level = prior.noiseToSignal
      model.observed(like: x, into: seen)
      model.coefficients(of: x, into: parts)
      for row in 0..<x.count {
        for i in 0..<seen.dimension {
          let deviation = model.deviations[i]
          let own = max(0, level * level - deviation * deviation).squareRoot() / level
          seen[row, i] = prior.scale * seen[row, i] + (own - 1) * parts[row, i]
        }
      }
      model.expand(seen, into: change)
      for i in 0..<x.size { x.values[i] += change.values[i] }
    }

    func step(_ x: Rows, _ state: DenoisedState, noise: Rows, _ levels: StepLevels) throws {
      let (seen, means, noises, parts) = (
        seen.view(like: x), means.view(like: x), noises.view(like: x), parts.view(like: x)
      )
      let change = change.view(like: x)
      let (eta, etaB) = (method.eta, method.observedEta)
      let (level, next) = (levels.deviation / levels.scale, levels.nextDeviation / levels.nextScale)
      let kept = (1 - eta * eta).squareRoot()
      model.observed(like: x, into: seen)
      model.coefficients(of: state.mean, into: means)
      model.coefficients(of: noise, into: noises)
      // As if nothing were seen, and then the directions that are.
      for i in 0..<x.size {
        let mean = state.mean.values[i]
        x.values[i] =
          mean + kept * next / level * (x.values[i] / levels.scale - mean) + eta * next * noise.values[i]
      }
      model.coefficients(of: x, into: parts)
      for row in 0..<x.count {
        for i in 0..<seen.dimension {
          let (deviation, y, mean, z) = (model.deviations[i], seen[row, i], means[row, i], noises[row, i])
          let value =
            next < deviation
            ? mean + kept * next * (y - mean) / deviation + eta * next * z
            : (1 - etaB) * mean + etaB * y
              + max(0, next * next - etaB * etaB * deviation * deviation).squareRoot() * z
          seen[row, i] = value - parts[row, i]
        }
      }
      model.expand(seen, into: change)
      for i in 0..<x.size { x.values[i] = levels.nextScale * (x.values[i] + change.values[i]) }
    }
  }
}
