// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A metric's value with a 95 % interval, and what it takes to compare it with another one.
///
/// To first order a metric θ̂ is θ + mean of ψ(x) over the samples + mean of φ(y) over the held-out rows, where ψ and φ
/// are the influences of rows (Hampel 1974, *The influence curve and its role in robust estimation*). Its variance is
/// Var ψ/n + Var φ/m, and a 95 % interval is θ̂ ± t √variance, with Student's t at the degrees of freedom of Welch and
/// Satterthwaite. Two solvers that are judged by the same held-out rows share φ, and solvers that draw from the same
/// noise share some of ψ: `difference` leaves both out.
public struct Estimate: Sendable, Equatable, Codable {
  /// The metric's value.
  public let value: Double
  /// The bounds of the interval; nil where there is none.
  public let low, high: Double?
  /// The influences of the samples, centred: one a row, or one a group of rows of equal size where they come from a
  /// jackknife over groups. Empty where they are not known.
  public let sampleInfluences: [Double]
  /// The same of the held-out rows.
  public let heldOutInfluences: [Double]
  /// Where intervals of this metric are symmetric.
  public let scale: IntervalScale
  /// By how much the variance of the influences is too large.
  public let excess: Excess
  /// Whether the interval is one of its own, and not that of the influences.
  private let hasOwnInterval: Bool

  /// A part of the influences' variance that is none of the metric's.
  ///
  /// Influences that are estimated from the rows carry noise, which counts second-order terms of the metric twice
  /// (Efron and Stein 1981, *The jackknife estimate of variance*). It matters where samples and data are so close that
  /// nothing else is left.
  public struct Excess: Sendable, Equatable, Codable {
    /// The part that shrinks where more samples are judged by the same held-out rows, and the part that does not,
    /// both as a variance of the metric.
    public var samples, heldOut: Double

    /// Parts that are known; 0 where nothing counts twice.
    public init(samples: Double = 0, heldOut: Double = 0) {
      self.samples = samples
      self.heldOut = heldOut
    }
  }

  /// An estimate without an interval.
  public init(_ value: Double) { self.init(value, low: nil, high: nil) }

  /// An estimate with an interval of one's own.
  /// - Parameters:
  ///   - value: the metric.
  ///   - low: the lower bound of its 95 % interval; nil where there is none.
  ///   - high: the upper bound.
  ///   - sampleInfluences: centred; empty where they are not known.
  ///   - heldOutInfluences: centred; empty where they are not known.
  ///   - scale: where averages and differences of such estimates are to have symmetric intervals.
  public init(
    _ value: Double, low: Double?, high: Double?, sampleInfluences: [Double] = [], heldOutInfluences: [Double] = [],
    scale: IntervalScale = .linear
  ) {
    self.value = value
    self.low = low
    self.high = high
    self.sampleInfluences = sampleInfluences
    self.heldOutInfluences = heldOutInfluences
    self.scale = scale
    excess = Excess()
    hasOwnInterval = low != nil
  }

  /// An estimate whose interval follows from its influences. It has none where neither rows have two influences.
  /// - Parameters:
  ///   - value: the metric.
  ///   - sampleInfluences: one a sample or a group of samples; empty where the samples add no variance.
  ///   - heldOutInfluences: the same of the held-out rows.
  ///   - scale: where the interval is symmetric.
  ///   - excess: by how much the variance of the influences is too large.
  public init(
    _ value: Double, sampleInfluences: [Double], heldOutInfluences: [Double] = [], scale: IntervalScale = .linear,
    excess: Excess = Excess()
  ) {
    self.value = value
    self.sampleInfluences = sampleInfluences
    self.heldOutInfluences = heldOutInfluences
    self.scale = scale
    self.excess = excess
    hasOwnInterval = false
    let spread = Spread(
      [.init(mean: sampleInfluences), .init(mean: heldOutInfluences)], excess: excess.samples + excess.heldOut)
    let rows = [sampleInfluences.count, heldOutInfluences.count].filter { $0 > 0 }.min() ?? 0
    let bounds = spread.flatMap { scale.interval(value, $0, rows: rows) }
    low = bounds?.low
    high = bounds?.high
  }

  /// The mean of a metric over repeats: samples drawn anew each time, and judged by the same held-out rows.
  ///
  /// The samples of all repeats are rows of one larger set. The held-out rows are the same ones, so their part of the
  /// variance does not shrink. The mean has an interval where each estimate has influences of equal counts; intervals
  /// of one's own shrink as those of the influences do.
  /// - Precondition: there is at least one.
  public static func average(_ repeats: [Estimate]) -> Estimate {
    let (first, count) = (repeats[0], Double(repeats.count))
    if repeats.count == 1 { return first }
    let value = repeats.reduce(0) { $0 + $1.value } / count
    guard
      repeats.allSatisfy({
        ($0.low != nil) && $0.sampleInfluences.count == first.sampleInfluences.count
          && $0.heldOutInfluences.count == first.heldOutInfluences.count
      }), let scale = IntervalScale.common(repeats.map(\.scale))
    else { return Estimate(value) }
    var heldOut = [Double](repeating: 0, count: first.heldOutInfluences.count)
    for estimate in repeats {
      for j in heldOut.indices { heldOut[j] += estimate.heldOutInfluences[j] / count }
    }
    let average = Estimate(
      value, sampleInfluences: repeats.flatMap(\.sampleInfluences), heldOutInfluences: heldOut, scale: scale,
      excess: Excess(
        samples: repeats.reduce(0) { $0 + $1.excess.samples } / (count * count),
        heldOut: repeats.reduce(0) { $0 + $1.excess.heldOut } / count))
    return first.hasOwnInterval ? average.stretched(as: repeats) : average
  }

  /// The same with an interval that is to that of its influences as those of some estimates are to theirs, on average.
  private func stretched(as others: [Estimate]) -> Estimate {
    func reaches(_ estimate: Estimate) -> (below: Double, above: Double) {
      (estimate.value - (estimate.low ?? .nan), (estimate.high ?? .nan) - estimate.value)
    }
    var (own, influences) = ((below: 0.0, above: 0.0), (below: 0.0, above: 0.0))
    for other in others {
      let plain = Estimate(
        other.value, sampleInfluences: other.sampleInfluences, heldOutInfluences: other.heldOutInfluences,
        scale: other.scale, excess: other.excess)
      own = (own.below + reaches(other).below, own.above + reaches(other).above)
      influences = (influences.below + reaches(plain).below, influences.above + reaches(plain).above)
    }
    // Both reaches of a share of 1 to the upper side are 0.
    func stretched(_ reach: Double, _ own: Double, _ influences: Double) -> Double {
      own == influences ? reach : reach * own / influences
    }
    let (below, above) = (
      stretched(reaches(self).below, own.below, influences.below),
      stretched(reaches(self).above, own.above, influences.above)
    )
    guard below.isFinite, above.isFinite else { return Estimate(value) }
    let limits = scale == .share ? (0.0, 1.0) : (-Double.infinity, .infinity)
    return Estimate(
      value, low: max(limits.0, value - below), high: min(limits.1, value + above), sampleInfluences: sampleInfluences,
      heldOutInfluences: heldOutInfluences, scale: scale)
  }
}
