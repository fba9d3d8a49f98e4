// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The deviation σ(t) of a variance-exploding process.
public protocol SigmaSchedule: Sendable {
  /// T
  var duration: Double { get }
  /// σ(t) > 0, increasing
  func deviation(at t: Double) -> Double
  /// dσ²/dt
  func varianceRate(at t: Double) -> Double
}

/// σ(t) = σ_min (σ_max/σ_min)ᵗ on [0, 1] (Song et al. 2021, eq. 30).
public struct GeometricSigma: SigmaSchedule {
  public let minimum, maximum: Double
  public var duration: Double { 1 }

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
