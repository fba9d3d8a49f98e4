// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// Where the interval of a metric is symmetric about its value θ, whose standard error is s; t is Student's quantile.
public enum IntervalScale: String, Sendable, CaseIterable {
  /// θ ± t s.
  case linear
  /// θ ± t s without what lies below 0, for distances.
  case nonNegative
  /// θ exp(± t s/θ), for positive values; linear where θ is not above 0.
  case logarithm
  /// Wilson's interval of a share in [0, 1], at the number of rows N = θ (1 − θ)/s² for which a count of independent
  /// rows has this standard error (Wilson 1927; Kott and Carr 1997). A share of 0 or 1 takes N from its rows.
  case share

  /// - Parameter rows: how many there are, for a share of 0 or 1.
  func interval(_ value: Double, _ spread: Spread, rows: Int) -> (low: Double, high: Double)? {
    guard value.isFinite, spread.deviation.isFinite else { return nil }
    let half = spread.quantile * spread.deviation
    switch self {
    case .linear: return (value - half, value + half)
    case .nonNegative: return (max(0, value - half), value + half)
    case .logarithm:
      guard value > 0 else { return (value - half, value + half) }
      return (value * exp(-half / value), value * exp(half / value))
    case .share:
      let squared = spread.quantile * spread.quantile
      let share = min(max(value, 0), 1)
      let count = spread.variance > 0 ? share * (1 - share) / spread.variance : Double(rows)
      // A share outside 0 … 1, or one of 0 or 1 with a standard error, comes from no count.
      guard share == value, count > 0 else { return (value - half, value + half) }
      let middle = (share + squared / (2 * count)) / (1 + squared / count)
      let reach =
        spread.quantile / (1 + squared / count)
        * (share * (1 - share) / count + squared / (4 * count * count)).squareRoot()
      return (max(0, middle - reach), min(1, middle + reach))
    }
  }
}
