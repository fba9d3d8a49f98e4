// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The deviation σ(t) of a variance-exploding process.
public protocol SigmaSchedule: NoiseSchedule {
  /// σ(t) ≥ 0, increasing
  func deviation(at t: Double) -> Double
  /// dσ²/dt
  func varianceRate(at t: Double) -> Double
}

/// σ(t) = σ_min (σ_max/σ_min)ᵗ on [0, 1] (Song et al. 2021, eq. 30).
public struct GeometricSigma: SigmaSchedule {
  /// σ_min and σ_max
  public let minimum, maximum: Double

  /// - Precondition: 0 < minimum < maximum.
  public init(_ minimum: Double = 0.01, _ maximum: Double = 50) {
    precondition(minimum > 0 && maximum > minimum, "0 < σ_min < σ_max")
    self.minimum = minimum
    self.maximum = maximum
  }

  public func deviation(at t: Double) -> Double { minimum * pow(maximum / minimum, t) }

  public func varianceRate(at t: Double) -> Double {
    let deviation = deviation(at: t)
    return 2 * deviation * deviation * log(maximum / minimum)
  }
}

/// σ(t) = (σ_min^{1/ρ} + t (σ_max^{1/ρ} − σ_min^{1/ρ}))^ρ on [0, 1] (Karras et al. 2022, eq. 5, in rising time).
public struct KarrasSigma: SigmaSchedule {
  /// σ_min, σ_max and ρ
  public let minimum, maximum, rho: Double

  /// - Precondition: 0 < minimum < maximum, ρ > 0.
  public init(_ minimum: Double = 0.002, _ maximum: Double = 80, rho: Double = 7) {
    precondition(minimum > 0 && maximum > minimum && rho > 0, "0 < σ_min < σ_max, ρ > 0")
    (self.minimum, self.maximum, self.rho) = (minimum, maximum, rho)
  }

  private var ends: (Double, Double) { (pow(minimum, 1 / rho), pow(maximum, 1 / rho)) }
  private func root(_ t: Double) -> Double { ends.0 + t * (ends.1 - ends.0) }

  public func deviation(at t: Double) -> Double { pow(root(t), rho) }
  public func varianceRate(at t: Double) -> Double { 2 * rho * pow(root(t), 2 * rho - 1) * (ends.1 - ends.0) }
}

/// σ(t) = t on [0, σ_max]: EDM's own time (Karras et al. 2022, section 3).
public struct LinearSigma: SigmaSchedule {
  /// σ_max, which is T as well.
  public let maximum: Double
  public var duration: Double { maximum }
  public var samplingSpacing: TimeSpacing { .karras }
  public var samplingEpsilon: Double { safeEpsilon(0.002, maximum) }

  /// - Precondition: maximum > 0.
  public init(_ maximum: Double = 80) {
    precondition(maximum > 0, "σ_max > 0")
    self.maximum = maximum
  }

  public func deviation(at t: Double) -> Double { t }
  public func varianceRate(at t: Double) -> Double { 2 * t }
}

/// ln σ̃² = −μ + b sgn(½ − t) ln((1 − 2 |t − ½| + δ)/(1 + δ)) on [0, 1]: 2λ = ln(m²/σ²) has a Laplace law of mean μ and
/// scale b (Hang et al. 2024). δ keeps its ends finite, as in diffusers, and 1 + δ makes it continuous at ½, as it is
/// not there.
public struct LaplaceSigma: SigmaSchedule {
  /// μ, b, δ
  public let mean, scale, floor: Double
  public var samplingSpacing: TimeSpacing { .logSignalToNoise }
  public var samplingEpsilon: Double { 1e-7 }

  /// - Precondition: b > 0, δ > 0.
  public init(mean: Double = 0, scale: Double = 0.5, floor: Double = 1e-6) {
    precondition(scale > 0 && floor > 0, "b > 0, δ > 0")
    (self.mean, self.scale, self.floor) = (mean, scale, floor)
  }

  public func deviation(at t: Double) -> Double {
    let tail = log((1 - 2 * abs(t - 0.5) + floor) / (1 + floor))
    return exp(0.5 * (-mean + scale * (t < 0.5 ? tail : -tail)))
  }

  public func varianceRate(at t: Double) -> Double {
    let deviation = deviation(at: t)
    return deviation * deviation * 2 * scale / (1 - 2 * abs(t - 0.5) + floor)
  }
}

/// ln σ̃² = −μ + γ tan θ, θ evenly from −atan(range/γ) to its opposite: 2λ = ln(m²/σ²) has a Cauchy law of location μ
/// and scale γ (Hang et al. 2024), cut at `range` from μ.
public struct CauchySigma: SigmaSchedule {
  /// μ, γ
  public let location, scale: Double
  /// How far ln σ̃ may lie from μ.
  public let range: Double
  public var samplingSpacing: TimeSpacing { .logSignalToNoise }

  /// - Precondition: γ > 0, range > 0.
  public init(location: Double = 0, scale: Double = 1, range: Double = 14) {
    precondition(scale > 0 && range > 0, "γ > 0, range > 0")
    (self.location, self.scale, self.range) = (location, scale, range)
  }

  /// t runs over the quantiles between the two ends, so that ln σ̃² + μ = γ tan(θ), θ from −θ_max to θ_max.
  private var widest: Double { atan(range / scale) }

  public func deviation(at t: Double) -> Double {
    exp(0.5 * (-location + scale * tan((2 * t - 1) * widest)))
  }

  public func varianceRate(at t: Double) -> Double {
    let (deviation, tangent) = (deviation(at: t), tan((2 * t - 1) * widest))
    return deviation * deviation * scale * (1 + tangent * tangent) * 2 * widest
  }
}

/// Another schedule with σ̃ times a factor: a shift of λ = ln(m/σ) by −ln factor (Hoogeboom et al. 2023, for images of
/// factor times the resolution).
public struct ShiftedSigma: SigmaSchedule {
  /// The schedule that is shifted.
  public let base: any SigmaSchedule
  /// What σ̃ is multiplied by.
  public let factor: Double

  public var duration: Double { base.duration }
  public var samplingSpacing: TimeSpacing { base.samplingSpacing }
  public var samplingEpsilon: Double { base.samplingEpsilon }

  /// - Precondition: factor > 0.
  public init(_ base: any SigmaSchedule, by factor: Double) {
    precondition(factor > 0, "factor > 0")
    self.base = base
    self.factor = factor
  }

  public func deviation(at t: Double) -> Double { factor * base.deviation(at: t) }
  public func varianceRate(at t: Double) -> Double { factor * factor * base.varianceRate(at: t) }
}
