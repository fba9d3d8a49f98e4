// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// How values become places along an axis.
public struct Scale: Sendable, Equatable {
  /// How values are spread.
  public enum Kind: Sendable, Equatable {
    /// Evenly.
    case linear
    /// By their logarithms; values of 0 or less have no place.
    case logarithmic
  }

  /// How values are spread.
  public let kind: Kind
  /// The value at the beginning.
  public let low: Double
  /// The value at the end.
  public let high: Double

  /// - Parameters:
  ///   - kind: linear, or by logarithms.
  ///   - limits: the ends; widened where they are one value, and cut to what doubles can be subtracted in.
  public init(_ kind: Kind, _ limits: ClosedRange<Double>) {
    self.kind = kind
    var (low, high) = (limits.lowerBound, limits.upperBound)
    (low, high) = (min(max(low, -1e300), 1e300), min(max(high, -1e300), 1e300))
    if kind == .logarithmic {
      low = max(low, 1e-300)
      high = max(high, low)
      if high / low < 1.01 { (low, high) = (max(low / 2, 1e-300), min(high * 2, 1e300)) }
    } else if !(high - low > 1e-12 * max(abs(low), abs(high))) {
      let half = max(abs(low) * 0.1, 0.5)
      (low, high) = (low - half, high + half)
    }
    (self.low, self.high) = (low, high)
  }

  /// 0 at the low end and 1 at the high one; NaN for what has no place.
  public func place(_ value: Double) -> Double {
    switch kind {
    case .linear: (value - low) / (high - low)
    case .logarithmic: value > 0 ? log(value / low) / log(high / low) : .nan
    }
  }

  /// The limits of finite values with a margin on both sides; nil where there are none.
  /// - Parameters:
  ///   - values: what is to be seen.
  ///   - kind: linear, or by logarithms, which leaves out values that are not above 0.
  ///   - margin: the share of the range that is added at each end.
  public static func limits(
    _ values: some Sequence<Double>, _ kind: Kind = .linear, margin: Double = 0.04
  ) -> ClosedRange<Double>? {
    var (low, high) = (Double.infinity, -Double.infinity)
    for value in values where value.isFinite && (kind == .linear || value > 0) {
      low = min(low, value)
      high = max(high, value)
    }
    guard low <= high else { return nil }
    switch kind {
    case .linear:
      let width = min(high, 1e300) - max(low, -1e300)
      return low - margin * width...high + margin * width
    case .logarithmic:
      let factor = pow(high / low, margin)
      guard factor.isFinite else { return low...high }
      return low / factor...high * factor
    }
  }
}
