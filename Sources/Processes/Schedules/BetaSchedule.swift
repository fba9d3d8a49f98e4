// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The noise rate β(t) of a variance-preserving process.
public protocol BetaSchedule: NoiseSchedule {
  /// β(t) ≥ 0
  func rate(at t: Double) -> Double
  /// B(t) = ∫₀ᵗ β(u) du
  func integral(to t: Double) -> Double
  /// −ln ᾱ at t = 0: noise that is there before the process begins; 0 for most.
  var initialIntegral: Double { get }
}

extension BetaSchedule {
  public var initialIntegral: Double { 0 }
}

/// β(t) = β_min + t (β_max − β_min) on [0, 1] (Song et al. 2021, eq. 32).
public struct LinearBeta: BetaSchedule {
  /// β_min and β_max
  public let minimum, maximum: Double

  /// - Precondition: 0 < minimum ≤ maximum.
  public init(_ minimum: Double = 0.1, _ maximum: Double = 20) {
    precondition(minimum > 0 && maximum >= minimum, "0 < β_min ≤ β_max")
    self.minimum = minimum
    self.maximum = maximum
  }

  public func rate(at t: Double) -> Double { minimum + t * (maximum - minimum) }
  public func integral(to t: Double) -> Double { t * (minimum + 0.5 * t * (maximum - minimum)) }
}

/// √β(t) = √β_min + t (√β_max − √β_min) on [0, 1] (Rombach et al. 2022, whose 1,000 steps from 0.00085 to 0.012 are the
/// default).
public struct ScaledLinearBeta: BetaSchedule {
  /// β_min and β_max
  public let minimum, maximum: Double

  /// - Precondition: 0 < minimum ≤ maximum.
  public init(_ minimum: Double = 0.85, _ maximum: Double = 12) {
    precondition(minimum > 0 && maximum >= minimum, "0 < β_min ≤ β_max")
    self.minimum = minimum
    self.maximum = maximum
  }

  private var slope: Double { maximum.squareRoot() - minimum.squareRoot() }

  public func rate(at t: Double) -> Double {
    let root = minimum.squareRoot() + t * slope
    return root * root
  }

  public func integral(to t: Double) -> Double {
    t * (minimum + t * slope * (minimum.squareRoot() + t * slope / 3))
  }
}

/// β(t) = β_min + (β_max − β_min) S(12 t − 6) with the logistic S, on [0, 1] (Xu et al. 2022, GeoDiff; diffusers'
/// "sigmoid").
public struct SigmoidBeta: BetaSchedule {
  /// β_min and β_max
  public let minimum, maximum: Double

  /// - Precondition: 0 < minimum ≤ maximum.
  public init(_ minimum: Double = 0.1, _ maximum: Double = 20) {
    precondition(minimum > 0 && maximum >= minimum, "0 < β_min ≤ β_max")
    self.minimum = minimum
    self.maximum = maximum
  }

  public func rate(at t: Double) -> Double { minimum + (maximum - minimum) / (1 + exp(6 - 12 * t)) }

  /// ∫ S(12 u − 6) du = (ln(1 + e^{12t − 6}) − ln(1 + e^{−6}))/12
  public func integral(to t: Double) -> Double {
    minimum * t + (maximum - minimum) * (log1p(exp(12 * t - 6)) - log1p(exp(-6))) / 12
  }
}
