// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A metric's value with a 95 % interval, and what it would take to compare it with another one.
///
/// A metric θ̂ is a sum of influences to first order (Hampel 1974): θ̂ ≈ θ + mean of ψ(x) over the samples + mean of φ(y)
/// over the held-out rows. Its variance is Var ψ/n + Var φ/m. Two solvers that are judged by the same held-out rows
/// share φ, and solvers that draw from the same noise share some of ψ; differences of influences leave both out.
public struct Estimate: Sendable, Equatable {
  public let value: Double
  /// The bounds of the interval; nil where there is none.
  public let low, high: Double?
  /// The influences of the samples, centred: one a row, or one a group of rows of equal size where they come from a
  /// jackknife over groups. Empty where they are not known.
  public let sampleInfluences: [Double]
  /// The same of the held-out rows.
  public let heldOutInfluences: [Double]

  /// An estimate without an interval.
  public init(_ value: Double) { self.init(value, low: nil, high: nil) }

  /// - Parameters:
  ///   - value: the metric.
  ///   - low, high: the bounds of its 95 % interval.
  ///   - sampleInfluences: centred; empty where they are not known.
  ///   - heldOutInfluences: centred; empty where they are not known.
  public init(
    _ value: Double, low: Double?, high: Double?, sampleInfluences: [Double] = [], heldOutInfluences: [Double] = []
  ) {
    self.value = value
    self.low = low
    self.high = high
    self.sampleInfluences = sampleInfluences
    self.heldOutInfluences = heldOutInfluences
  }
}
