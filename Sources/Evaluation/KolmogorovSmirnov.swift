// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The Kolmogorov–Smirnov distance of single coordinates: the largest over axes of sup_t |F(t) − G(t)|, with F and G
/// the empirical distribution functions of samples and held-out rows along an axis.
///
/// Its interval covers the expected value at these counts. The supremum has no influences where several places are
/// nearly the largest (where both laws are equal, D̂ is noise alone), so that its deviation comes from a bootstrap of
/// rows: that of (sup |F − G + h B*| − D̂)/h, with B* = (F* − F) − (G* − G) the noise of a resample. h = 1 is the plain
/// bootstrap, which is right where the laws differ and too wide where they are equal; larger h is right there (Fang and
/// Santos 2019, *Inference on directionally differentiable functions*; Hong and Li 2018). It goes from 1 to N^¼,
/// N = n m/(n + m), as the probability p of so large a distance under equal laws goes from 0 to 1. Where the laws
/// surely differ the bootstrap is somewhat too short and the variance of F − G at the place of the supremum too long;
/// the mean of both is taken, with a weight of (1 − p)⁴. For differences of solvers, F − G at that place gives the
/// influences.
public struct KolmogorovSmirnov: Metric {
  public var usesBootstrap: Bool { true }
  public var isSharedByRanks: Bool { true }

  /// The metric has no parameters.
  public init() {}

  public func evaluate(_ comparison: Comparison) throws -> Double {
    try axes(comparison).reduce(0) { max($0, $1.distance.magnitude) }
  }

  /// The distance along every axis.
  /// - Throws: `InputError` for values that are not finite, and samples of another dimension.
  public func distances(_ comparison: Comparison) throws -> [Double] {
    try axes(comparison).map(\.distance.magnitude)
  }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    let axes = try axes(comparison)
    let (samples, heldOut) = (comparison.samples, comparison.heldOut)
    let (n, m) = (samples.count, heldOut.count)
    let largest = axes.indices.max { axes[$0].distance.magnitude < axes[$1].distance.magnitude }!
    let (place, distance) = (axes[largest].place, axes[largest].distance)
    // Of |F(t) − G(t)| at the place of the supremum.
    let sign = distance < 0 ? -1.0 : 1.0
    func shares(_ rows: Batch, _ sign: Double) -> [Double] {
      let below = (0..<rows.count).map { rows[$0, largest] <= place ? 1.0 : 0.0 }
      let mean = below.reduce(0, +) / Double(rows.count)
      return below.map { sign * ($0 - mean) }
    }
    let value = distance.magnitude
    guard n > 1, m > 1, comparison.bootstrap > 1 else { return Estimate(value) }
    let slopes = try slopes(comparison, axes, value)
    let mean = slopes.reduce(0, +) / Double(slopes.count)
    let variance = slopes.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(slopes.count - 1)
    let (samplesBelow, heldOutBelow) = (shares(samples, sign), shares(heldOut, -sign))
    let plain = Spread([.init(mean: samplesBelow), .init(mean: heldOutBelow)])?.variance ?? variance
    let likely = probability(value, axes: axes.count, rows: Double(n) * Double(m) / Double(n + m))
    let surely = pow(1 - likely, 4)
    let reach = 1.959_963_984_540_054 * (variance + surely * max(0, plain - variance) / 2).squareRoot()
    return Estimate(
      value, low: max(0, value - reach), high: min(1, value + reach), sampleInfluences: samplesBelow,
      heldOutInfluences: heldOutBelow, scale: .nonNegative)
  }

  /// An axis: its rows in rising order, samples before held-out rows by their numbers, with the highest bit set at the
  /// last of equal values; F − G where it is farthest from 0, and the value there.
  private struct Axis: Sendable {
    var order: [UInt32]
    var distance: Double
    var place: Double
  }

  private static let last: UInt32 = 1 << 31

  private func axes(_ comparison: Comparison) throws -> [Axis] {
    try comparison.requireFinite(atLeast: fewestRows)
    let (samples, heldOut) = (comparison.samples, comparison.heldOut)
    let (n, m) = (samples.count, heldOut.count)
    var axes = [Axis](repeating: Axis(order: [], distance: 0, place: 0), count: samples.dimension)
    try axes.withSharedMemory { axes in
      try Shards(rows: samples.dimension, size: 1).forEach(threads: comparison.threads) { axis, _ in
        let values = (0..<n).map { samples[$0, axis] } + (0..<m).map { heldOut[$0, axis] }
        var sorted = values
        var order = [Int32](repeating: 0, count: n + m)
        RadixOrder(capacity: n + m).sort(values, count: n + m, step: 1, into: &sorted, order: &order)
        var (below, best, place) = (0, 0, 0)
        var marked = [UInt32](repeating: 0, count: n + m)
        for k in 0..<n + m {
          below += order[k] < n ? m : -n
          marked[k] = UInt32(order[k])
          guard k + 1 == n + m || sorted[k] < sorted[k + 1] else { continue }
          marked[k] |= Self.last
          if below.magnitude > best.magnitude { (best, place) = (below, k) }
        }
        axes.pointer[axis] = Axis(
          order: marked, distance: Double(best) / (Double(n) * Double(m)), place: sorted[place])
      }
    }
    return axes
  }

  /// Kolmogorov's probability of so large a distance under equal laws, times the number of axes.
  private func probability(_ value: Double, axes: Int, rows: Double) -> Double {
    let terms = (1...100).map { k -> Double in
      (k % 2 == 1 ? 2 : -2) * exp(-2 * Double(k * k) * rows * value * value)
    }
    return min(max(Double(axes) * terms.reduce(0, +), 0), 1)
  }

  /// (sup |F − G + h B*| − D̂)/h of all resamples.
  private func slopes(_ comparison: Comparison, _ axes: [Axis], _ value: Double) throws -> [Double] {
    let (n, m) = (comparison.samples.count, comparison.heldOut.count)
    let pairs = Double(n) * Double(m) / Double(n + m)
    let stretch = 1 + probability(value, axes: axes.count, rows: pairs) * (pairs.squareRoot().squareRoot() - 1)
    let resamples = Resamples(rows: [n, m], seed: comparison.seed)
    return try parallelMap(comparison.bootstrap, threads: comparison.threads) { repetition in
      let counts = resamples.counts(repetition)
      // What a row adds to F − G + h B*.
      let steps = counts.indices.map { row in
        (1 + stretch * (Double(counts[row]) - 1)) / (row < n ? Double(n) : -Double(m))
      }
      var highest = 0.0
      steps.withUnsafeBufferPointer { steps in
        for axis in axes {
          var sum = 0.0
          for row in axis.order {
            sum += steps[Int(row & ~Self.last)]
            if row & Self.last != 0 { highest = max(highest, sum.magnitude) }
          }
        }
      }
      return (highest - value) / stretch
    }
  }
}
