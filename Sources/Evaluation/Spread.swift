// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL

/// The variance of a sum of independent means, and its degrees of freedom by Welch and Satterthwaite:
/// (Σ v)²/Σ (v²/f) for means of variances v that were estimated with f degrees of freedom (Satterthwaite 1946).
struct Spread {
  /// One of the means.
  struct Part {
    let variance: Double
    let degrees: Double

    /// The mean of values; nil where there are fewer than two.
    init?(mean values: [Double]) {
      guard values.count > 1 else { return nil }
      let count = Double(values.count)
      let mean = values.reduce(0, +) / count
      variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count * (count - 1))
      degrees = count - 1
    }
  }

  let variance: Double
  /// The variance before its excess was taken off, and the excess itself.
  let total, excess: Double
  let degrees: Double

  /// - Parameter excess: by how much the sum of variances is too large. It is second-order noise that was counted
  ///   twice, at most half of the sum: no more is taken off, however wrong its own estimate is.
  /// - Returns: nil where there is no part.
  init?(_ parts: [Part?], excess: Double = 0) {
    let parts = parts.compactMap { $0 }
    guard !parts.isEmpty else { return nil }
    total = parts.reduce(0) { $0 + $1.variance }
    self.excess = max(excess, 0)
    variance = max(total - max(excess, 0), total / 2)
    let total = total
    // Shares of the variance, as squares of tiny variances would be 0.
    let sum = parts.reduce(0) { $0 + ($1.variance / total) * ($1.variance / total) / $1.degrees }
    degrees = total > 0 ? 1 / sum : parts.reduce(0) { $0 + $1.degrees }
  }

  var deviation: Double { variance.squareRoot() }

  /// Student's t at 97.5 %.
  var quantile: Double { degrees.isFinite && degrees > 0 ? gsl_cdf_tdist_Pinv(0.975, degrees) : .nan }
}
