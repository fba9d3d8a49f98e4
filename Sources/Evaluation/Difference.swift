// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How much one solver's metric is above another's, both judged by the same held-out rows.
public struct Difference: Sendable, Equatable {
  /// a − b
  public let value: Double
  /// The bounds of its 95 % interval; nil where influences are not known.
  public let low, high: Double?

  /// Whether the metric tells the two apart: 0 lies outside the interval.
  public var isClear: Bool {
    guard let low, let high else { return false }
    return low > 0 || high < 0
  }
}

extension Estimate {
  /// a − b with its 95 % interval, θ̂ ± t √variance on the metric's own scale.
  ///
  /// Held-out rows are the same ones, and only the difference of their influences counts. So it is for samples that
  /// come from the same noise, row by row; other samples are independent.
  /// - Parameters:
  ///   - a: the metric of one solver's samples.
  ///   - b: that of another's.
  ///   - sameNoise: whether row i of both comes from the same random numbers. Samples of unequal counts are independent in
  ///     any case.
  public static func difference(_ a: Estimate, _ b: Estimate, sameNoise: Bool) -> Difference {
    func minus(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 - $1 } }
    let value = a.value - b.value
    let none = Difference(value: value, low: nil, high: nil)
    guard a.low != nil, b.low != nil, a.heldOutInfluences.count == b.heldOutInfluences.count else { return none }
    var parts: [Spread.Part?] = [.init(mean: minus(a.heldOutInfluences, b.heldOutInfluences))]
    if sameNoise && a.sampleInfluences.count == b.sampleInfluences.count {
      parts.append(.init(mean: minus(a.sampleInfluences, b.sampleInfluences)))
    } else {
      parts.append(.init(mean: a.sampleInfluences))
      parts.append(.init(mean: b.sampleInfluences))
    }
    // Held-out rows and their second-order noise are the same in both.
    guard let spread = Spread(parts, excess: a.excess.samples + b.excess.samples),
      let bounds = IntervalScale.linear.interval(value, spread, rows: 0)
    else {
      return none
    }
    return Difference(value: value, low: bounds.low, high: bounds.high)
  }
}
