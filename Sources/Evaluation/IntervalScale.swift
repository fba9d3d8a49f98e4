// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// Where the interval of a metric is symmetric about its value θ, whose standard error is s; t is Student's quantile.
public enum IntervalScale: Sendable, Equatable, Codable {
  /// θ ± t s.
  case linear
  /// θ ± t s without what lies below 0, for distances.
  case nonNegative
  /// θ exp(± t s/θ), for positive values; linear where θ is not above 0.
  case logarithm
  /// Wilson's interval of a share in [0, 1], at the number of rows N = θ (1 − θ)/s² for which a count of independent
  /// rows has this standard error (Wilson 1927; Kott and Carr 1997). A share of 0 or 1 takes N from its rows.
  case share
  /// θ = (F − G)/(1 − G) of a share F of which G is there by chance: the interval of F, as for `share`, and θ of both
  /// its ends.
  case shareBeyond(chance: Double)
  /// For the square θ of a distance between laws, whose variance grows with θ as that of ‖δ + noise‖² does: with J the
  /// variance of the influences and w their excess it is α θ − w, and α = J/θ̂. An interval with the variance at θ̂
  /// would be too short wherever θ̂ is too small. All θ with (θ̂ − θ)² ≤ t² (α θ − w), as in Wilson's interval, lie too
  /// high where they err, and the interval that is symmetric about √θ̂ too low: the bounds are ¾ of the first and ¼ of
  /// the second.
  case square
  /// The same for a square without bias, which would be larger by `bias` with it: all θ with (θ̂ − θ)² ≤ t² (α θ + w),
  /// as θ begins at 0 where the plain square begins at the bias.
  ///
  /// α is 4 times the mean of the noise's variances L in its directions, weighted by how much the laws differ in each;
  /// w = 2 Σ L², and bias = Σ L. What the variance at θ̂ says, (J − 2 w)/θ̂ (with 1.75 in place of 2, as w is noisy:
  /// `CrossFit.caution`; θ̂ is at least its noise √w there), is almost nothing where θ̂ is small by chance, and would
  /// then give a short interval. So α is at least 2 w/bias, which it is where the laws differ as noise does, and at
  /// least √(w/2): in many dimensions laws differ where noise is larger than on average, and in the studied cases the
  /// mean of L was 0.17 to 0.75 of √(Σ L²), of which this is ¼.
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
      return plainSquare(value, spread, spread.total, spread.excess) ?? (max(0, value - half), value + half)
    case .unbiasedSquare(let bias):
      let least = max(2 * spread.excess / bias, (spread.excess / 2).squareRoot())
      let slope = max(
        least, (spread.total - (1 + CrossFit.caution) * spread.excess) / max(value, spread.excess.squareRoot()))
      return wilson(value, spread.quantile, slope: slope, constant: spread.excess)
        ?? (value - half, value + half)
    case .root:
      // The influences of a root are those of θ over 2 √θ.
      let factor = 4 * value * value
      guard let bounds = plainSquare(value * value, spread, factor * spread.total, factor * spread.excess) else {
        return (max(0, value - half), value + half)
      }
      return (bounds.low.squareRoot(), bounds.high.squareRoot())
    case .share:
      return Self.share(value, variance: spread.variance, quantile: spread.quantile, rows: rows)
        ?? (value - half, value + half)
    case .shareBeyond(let chance):
      let rest = 1 - chance
      // Rounding may leave a share of 0 a little below it.
      let share = value * rest + chance
      guard
        let bounds = Self.share(
          abs(share) < 1e-12 ? 0 : share, variance: rest * rest * spread.variance, quantile: spread.quantile,
          rows: rows)
      else { return (value - half, value + half) }
      // The value is within, whatever rounding does.
      return (min(value, (bounds.low - chance) / rest), max(value, (bounds.high - chance) / rest))
    }
  }

  /// Wilson's interval of a share with this variance; nil for one outside 0 … 1, and for one of 0 or 1 with a standard
  /// error, which come from no count.
  private static func share(
    _ share: Double, variance: Double, quantile: Double, rows: Int
  ) -> (low: Double, high: Double)? {
    guard share >= 0, share <= 1 else { return nil }
    let count = variance > 0 ? share * (1 - share) / variance : Double(rows)
    return count > 0 ? wilson(share, count: count, quantile: quantile) : nil
  }

  /// Wilson's interval of a share of so many independent rows.
  /// - Parameters:
  ///   - share: from 0 to 1.
  ///   - count: the number of rows, above 0; it need not be whole.
  ///   - quantile: how many standard errors are to be allowed.
  static func wilson(_ share: Double, count: Double, quantile: Double) -> (low: Double, high: Double) {
    let squared = quantile * quantile
    let middle = (share + squared / (2 * count)) / (1 + squared / count)
    let reach =
      quantile / (1 + squared / count) * (share * (1 - share) / count + squared / (4 * count * count)).squareRoot()
    return (max(0, middle - reach), min(1, middle + reach))
  }

  /// The bounds for a square whose influences have this variance, too large by `excess`.
  private func plainSquare(
    _ value: Double, _ spread: Spread, _ variance: Double, _ excess: Double
  ) -> (low: Double, high: Double)? {
    let excess = min(excess, variance / 2)
    guard value > 0, let wilson = wilson(value, spread.quantile, slope: variance / value, constant: -excess) else {
      return nil
    }
    let (root, half) = (value.squareRoot(), spread.quantile * ((variance - excess) / (4 * value)).squareRoot())
    let (low, high) = (max(0, root - half), root + half)
    return (0.75 * max(0, wilson.low) + 0.25 * low * low, 0.75 * wilson.high + 0.25 * high * high)
  }

  /// The numbers θ with (value − θ)² ≤ t² (slope θ + constant); nil where that is no interval about the value.
  private func wilson(
    _ value: Double, _ t: Double, slope: Double, constant: Double
  ) -> (low: Double, high: Double)? {
    let middle = value + t * t * slope / 2
    let reach = (middle * middle - value * value + t * t * constant).squareRoot()
    guard reach.isFinite, middle.isFinite else { return nil }
    return (min(value, middle - reach), max(value, middle + reach))
  }
}
