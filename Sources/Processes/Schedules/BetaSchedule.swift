// SPDX-License-Identifier: GPL-3.0-or-later

/// The noise rate β(t) of a variance-preserving process.
public protocol BetaSchedule: Sendable {
  /// T
  var duration: Double { get }
  /// β(t) ≥ 0
  func rate(at t: Double) -> Double
  /// B(t) = ∫₀ᵗ β(u) du
  func integral(to t: Double) -> Double
}

/// β(t) = β_min + t (β_max − β_min) on [0, 1] (Song et al. 2021, eq. 32).
public struct LinearBeta: BetaSchedule {
  public let minimum, maximum: Double
  public var duration: Double { 1 }

  /// - Precondition: 0 < minimum ≤ maximum.
  public init(_ minimum: Double = 0.1, _ maximum: Double = 20) {
    precondition(minimum > 0 && maximum >= minimum, "0 < β_min ≤ β_max")
    self.minimum = minimum
    self.maximum = maximum
  }

  public func rate(at t: Double) -> Double { minimum + t * (maximum - minimum) }
  public func integral(to t: Double) -> Double { t * (minimum + 0.5 * t * (maximum - minimum)) }
}
