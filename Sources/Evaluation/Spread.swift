// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL

/// The variance of a sum of independent means, and its degrees of freedom by Welch and Satterthwaite:
/// (Σ v)²/Σ (v²/f) for means of variances v that were estimated with f degrees of freedom (Satterthwaite 1946).
struct Spread {
  /// One of the means.
  struct Part {
    let variance: Double
    let degrees: Double

    /// The mean of values, whose variance is too large by `excess`; nil where there are fewer than two.
    ///
    /// Excess is second-order noise that is counted twice: it is at most half of the variance, and no more is taken
    /// off, however wrong its own estimate is.
    init?(mean values: [Double], excess: Double = 0) {
      guard values.count > 1 else { return nil }
      let count = Double(values.count)
      let mean = values.reduce(0, +) / count
      let raw = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count * (count - 1))
      variance = max(raw - max(excess, 0), raw / 2)
      degrees = count - 1
    }
  }

  let variance: Double
  let degrees: Double

  /// nil where there is no part.
  init?(_ parts: [Part?]) {
    let parts = parts.compactMap { $0 }
    guard !parts.isEmpty else { return nil }
    variance = parts.reduce(0) { $0 + $1.variance }
    // Shares of the variance, as squares of tiny variances would be 0.
    let total = variance
    let sum = parts.reduce(0) { $0 + ($1.variance / total) * ($1.variance / total) / $1.degrees }
    degrees = total > 0 ? 1 / sum : parts.reduce(0) { $0 + $1.degrees }
  }

  var deviation: Double { variance.squareRoot() }

  /// Student's t at 97.5 %.
  var quantile: Double { degrees.isFinite && degrees > 0 ? gsl_cdf_tdist_Pinv(0.975, degrees) : .nan }
}
