// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Processes

/// How much each noise level counts: the factor w of ‖σ s + z‖².
public enum Weighting: String, Sendable, CaseIterable {
  /// ‖σ s + z‖²
  case uniform
  /// g² ‖s + z/σ‖²: an upper bound of the negative log likelihood (Song et al. 2021b)
  case likelihood
  /// (σ̃² + σ_d²)/(σ̃ σ_d)² ‖D − x_0‖² = (1 + σ̃²/σ_d²) ‖σ s + z‖² with σ̃ = σ/m: an error of an `edm` network's
  /// output counts the same at every noise level (Karras et al. 2022)
  case edm
  /// ‖û − u‖² of the probability flow's velocity u: g⁴/(4 σ²) ‖σ s + z‖² (Lipman et al. 2023, for any process)
  case flowMatching = "flow-matching"

  /// Whether it asks for a scalar diffusion g(t).
  public var needsDiffusion: Bool { self == .likelihood || self == .flowMatching }

  /// w for scalar moments.
  /// - Parameters:
  ///   - diffusion: g(t), asked for only where it counts.
  ///   - dataDeviation: σ_d
  func factor(_ moments: Moments, diffusion: () -> Double, _ dataDeviation: Double) -> Double {
    switch self {
    case .uniform: return 1
    case .likelihood: return pow(diffusion(), 2) / moments.variance
    case .edm: return 1 + pow(moments.noiseToSignal / dataDeviation, 2)
    case .flowMatching: return pow(diffusion(), 4) / (4 * moments.variance)
    }
  }
}
