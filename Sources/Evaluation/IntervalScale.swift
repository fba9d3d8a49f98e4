// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// Where the interval of a metric is symmetric about its value θ, whose standard error is s; t is Student's quantile.
public enum IntervalScale: Sendable, Equatable {
  /// θ ± t s.
  case linear
  /// θ ± t s without what lies below 0, for distances.
  case nonNegative
  /// θ exp(± t s/θ), for positive values; linear where θ is not above 0.
  case logarithm
  /// Wilson's interval of a share in [0, 1], at the number of rows N = θ (1 − θ)/s² for which a count of independent
  /// rows has this standard error (Wilson 1927; Kott and Carr 1997). A share of 0 or 1 takes N from its rows.
  case share
  /// For the square θ of a distance between laws, whose variance grows with θ as that of ‖δ + noise‖² does. The interval
  /// holds all θ with (θ̂ − θ)² ≤ t² variance(θ), as Wilson's does for shares: with the variance at θ̂ it would be too short
  /// wherever θ̂ is too small. With J the variance of the influences and w their excess, the variance is α θ − w for a
  /// plain square, with α = J/θ̂.
  case square
  /// The same for a square without bias, which would be larger by `bias` with it: α θ + w, as θ begins at 0 where the
  /// plain square begins at the bias. α is J/(θ̂ + bias), and no less than it is on average where both laws are equal,
  /// 2 w/bias.
  case unbiasedSquare(bias: Double)
  /// For the root of a plain square.
  case root

  /// The scale of the mean of estimates; nil where they have different ones.
  static func common(_ scales: [IntervalScale]) -> IntervalScale? {
    guard let first = scales.first else { return nil }
    if scales.allSatisfy({ $0 == first }) { return first }
    var sum = 0.0
    for scale in scales {
      guard case .unbiasedSquare(let bias) = scale else { return nil }
      sum += bias
    }
    return .unbiasedSquare(bias: sum / Double(scales.count))
  }

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
    case .square:
      return square(value, spread, slope: spread.total / value, constant: -spread.excess, lowest: 0)
        ?? (max(0, value - half), value + half)
    case .unbiasedSquare(let bias):
      let slope = max(spread.total / (value + bias), 2 * spread.excess / bias)
      return square(value, spread, slope: slope, constant: spread.excess, lowest: -.infinity)
        ?? (value - half, value + half)
    case .root:
      // Of the root, the variance of the influences is J/(4 θ).
      let bounds = square(
        value * value, spread, slope: 4 * spread.total, constant: -4 * value * value * spread.excess, lowest: 0)
      guard let bounds else { return (max(0, value - half), value + half) }
      return (bounds.low.squareRoot(), bounds.high.squareRoot())
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

  /// The numbers θ with (value − θ)² ≤ t² (slope θ + constant); nil where that is no interval about the value.
  private func square(
    _ value: Double, _ spread: Spread, slope: Double, constant: Double, lowest: Double
  ) -> (low: Double, high: Double)? {
    let squared = spread.quantile * spread.quantile
    let middle = value + squared * slope / 2
    let reach = (middle * middle - value * value + squared * constant).squareRoot()
    guard reach.isFinite, middle.isFinite else { return nil }
    return (max(lowest, min(value, middle - reach)), max(value, middle + reach))
  }
}
