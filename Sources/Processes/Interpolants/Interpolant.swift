// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// A process given by its path x_t = α(t) x_0 + σ(t) z (Albergo and Vanden-Eijnden 2023; Kingma et al. 2021): a = α̇/α
/// and g² = 2 σ σ̇ − 2 a σ². A new one needs `signal` and `noise`. Kernel: m = α, v = σ². Prior N(0, σ(T)²).
///
/// The velocity of the probability flow is α̇ D + σ̇ ε̂, with D and ε̂ the means of data and noise given x. It is
/// finite where α is 0 and a infinite; in double precision the score still holds D at α = 2⁻²⁶ σ to 1e-8, so a path
/// that ends in α(1) = 0 has its T at 1 − 2⁻²⁶ at the latest, and nothing else needs to know.
public protocol Interpolant: AffineSDE {
  /// α(t) > 0 and dα/dt, 0 ≤ t ≤ T
  func signal(at t: Double) -> (value: Double, rate: Double)
  /// σ(t) ≥ 0 and dσ/dt; σ/α grows.
  func noise(at t: Double) -> (value: Double, rate: Double)
}

/// The latest end of a path whose signal vanishes at 1.
public let latestEnd = 1 - 0x1p-26

extension Interpolant {
  public var samplingSpacing: TimeSpacing { .logSignalToNoise }

  public func driftRate(at t: Double) -> Double {
    let alpha = signal(at: t)
    return alpha.rate / alpha.value
  }

  public func diffusion(at t: Double) -> Double {
    let sigma = noise(at: t)
    return max(0, 2 * sigma.value * (sigma.rate - driftRate(at: t) * sigma.value)).squareRoot()
  }

  public var initialVariance: Double { noise(at: 0).value * noise(at: 0).value }
  public var priorVariance: Double? { noise(at: duration).value * noise(at: duration).value }

  public func makeKernel() -> any PerturbationKernel {
    ClosedFormKernel { t in
      let sigma = noise(at: t).value
      return Moments(scale: signal(at: t).value, variance: sigma * sigma)
    }
  }
}

/// Rectified flow: x_t = (1 − t) x_0 + t z, straight paths with velocity z − x_0 (Liu et al. 2023; Lipman et al. 2023).
public struct RectifiedFlow: Interpolant {
  public let duration: Double

  /// - Parameter end: T, above 0; at most 1, which stands for 1 − 2⁻²⁶. At the default the prior differs from pₜ by
  ///   1e-3 of the data, and all stochastic solvers have finite rates.
  public init(end: Double = 0.999) {
    precondition(end > 0 && end <= 1, "0 < end ≤ 1")
    duration = min(end, latestEnd)
  }

  public func signal(at t: Double) -> (value: Double, rate: Double) { (1 - t, -1) }
  public func noise(at t: Double) -> (value: Double, rate: Double) { (t, 1) }
}

/// The variance-preserving interpolant x_t = cos(πt/2) x_0 + sin(πt/2) z (Albergo and Vanden-Eijnden 2023).
public struct TrigonometricInterpolant: Interpolant {
  public let duration: Double

  /// - Parameter end: as of `RectifiedFlow`.
  public init(end: Double = 0.999) {
    precondition(end > 0 && end <= 1, "0 < end ≤ 1")
    duration = min(end, latestEnd)
  }

  // By sines of small angles, so that α is exact near 1.
  public func signal(at t: Double) -> (value: Double, rate: Double) {
    (sin(0.5 * .pi * (1 - t)), -0.5 * .pi * cos(0.5 * .pi * (1 - t)))
  }

  public func noise(at t: Double) -> (value: Double, rate: Double) {
    (sin(0.5 * .pi * t), 0.5 * .pi * cos(0.5 * .pi * t))
  }
}
