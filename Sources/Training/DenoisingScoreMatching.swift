// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import ScoreNetworks

/// Continuous-time denoising score matching (Vincent 2011; Song et al. 2021, eq. 7): with x_t = m x_0 + σ z and
/// t drawn from [ε, T], the mean over rows of w(t) ‖σ s(x_t, t) + z‖² / D, where w = 1, or g²/σ² for likelihood
/// weighting, or 1 + σ̃²/σ_d² for EDM's.
///
/// With the denoised D = (x + v s)/m it is σ s + z = (D − x_0)/σ̃, σ̃ = σ/m. EDM's λ = (σ̃² + σ_d²)/(σ̃ σ_d)² on
/// ‖D − x_0‖² is therefore w = λ σ̃² = 1 + σ̃²/σ_d², and what a network of `edm` prediction is wrong by counts 1 at
/// every noise level: c_out² λ = 1.
///
/// As s = skip · x_t + out · F, this is a weighted regression of the network F on
/// −(z + σ skip x_t)/(σ out), with weight w (σ out)².
struct DenoisingScoreMatching: Sendable {
  let process: any AffineSDE
  let score: NetworkScore
  let weighting: TrainingPlan.Weighting

  /// What a row needs at time t: input and target as combinations of x_0 and z, and its weight.
  struct Row {
    /// input = a x_0 + b z, target = c x_0 + d z
    let a, b, c, d: Double
    let weight: Double
    let moments: Moments
  }

  func row(at t: Double) -> Row {
    let moments = score.kernel.moments(at: t)
    let (m, sigma) = (moments.scale, moments.deviation)
    let p = score.coefficients(moments)
    let gain = sigma * p.output
    var weight = gain * gain
    switch weighting {
    case .uniform: break
    case .likelihood:
      let g = process.diffusion(at: t)
      weight *= g * g / moments.variance
    case .edm:
      let ratio = moments.noiseRatio / score.dataDeviation
      weight *= 1 + ratio * ratio
    }
    return Row(
      a: p.input * m, b: p.input * sigma, c: -sigma * p.skip * m / gain, d: -(1 + moments.variance * p.skip) / gain,
      weight: weight, moments: moments)
  }
}
