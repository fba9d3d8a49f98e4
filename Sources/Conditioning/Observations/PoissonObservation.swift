// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core
import Glibc

/// Counts of photons: y_i ~ Poisson(λ_i) with λ_i = peak (h_i(x) − low)/(high − low). A pixel as dark as `low` gives
/// none, one as bright as `high` gives `peak` on average.
///
/// A network's guess of x may be darker than `low`, and ln λ is then no number. So below `floor` the logarithm goes on
/// as a straight line, ln λ ≈ ln floor + (λ − floor)/floor, and −λ as 0 below 0: the log likelihood stays finite, and
/// its slope leads back. Rates of `floor` and more have the exact law.
public struct PoissonObservation: ObservationModel {
  /// h
  public let map: any ForwardMap
  /// The mean count of a value `high`.
  public let peak: Double
  /// The values of h that give the counts 0 and `peak`.
  public let low, high: Double
  /// The smallest rate of which the logarithm is taken.
  public let floor: Double

  /// - Parameters:
  ///   - map: h
  ///   - peak: above 0.
  ///   - low: less than `high`.
  ///   - high: the value that gives `peak` counts.
  ///   - floor: above 0.
  /// - Throws: `InputError` for numbers out of these ranges.
  public init(_ map: any ForwardMap, peak: Double, low: Double = -1, high: Double = 1, floor: Double = 0.01) throws {
    guard peak > 0, peak <= Self.largestPeak else {
      throw InputError("a peak of \(peak) counts; allowed: above 0, at most \(Self.largestPeak)")
    }
    guard low < high, low.isFinite, high.isFinite else {
      throw InputError("rates between \(low) and \(high); allowed: low < high")
    }
    guard floor > 0, floor.isFinite else { throw InputError("a floor of \(floor); allowed: above 0") }
    (self.map, self.peak, self.low, self.high, self.floor) = (map, peak, low, high, floor)
  }

  /// Counts of more are as good as Gaussian.
  public static let largestPeak = 1e9

  public var dimension: Int { map.dimension }
  public var observedDimension: Int { map.observedDimension }

  /// ∂λ/∂h
  private var slope: Double { peak / (high - low) }

  private func rate(_ h: Double) -> Double { (h - low) * slope }

  public func makeEvaluator(for rows: RowSpan) -> any ObservationEvaluator { Evaluator(self, rows) }

  /// - Throws: `InputError` for what are no counts.
  public func check(_ y: Batch) throws {
    for row in 0..<y.count {
      for (j, value) in y.row(row).enumerated() where !(value >= 0 && value == value.rounded() && value.isFinite) {
        throw InputError("row \(row + 1) holds \(value) at value \(j + 1); allowed: counts, whole numbers of 0 or more")
      }
    }
  }

  /// By inversion, of one uniform a value. A negative rate gives no counts.
  public func draw(_ x: Rows, into y: Rows, from stream: NoiseStream) throws {
    map.makeEvaluator(for: x.span).evaluate(x, into: y)
    try RowStorage.with(y.span, count: 1) { uniforms in
      stream.uniforms(into: uniforms[0], step: 0)
      for i in 0..<y.size {
        let rate = rate(y.values[i])
        guard rate.isFinite else { throw InputError("a rate of \(rate) has no counts") }
        y.values[i] = Self.quantile(uniforms[0].values[i], rate: rate)
      }
    }
  }

  /// The least k with P(K ≤ k) > u for K ~ Poisson(rate).
  static func quantile(_ u: Double, rate: Double) -> Double {
    guard rate > 0 else { return 0 }
    // From the mode by the recurrence of probabilities, about √rate terms.
    var k = rate.rounded(.down)
    var term = exp(k * log(rate) - rate - lgamma(k + 1))
    var below = gsl_cdf_poisson_P(UInt32(k), rate)
    while below <= u, term > 0 {
      k += 1
      term *= rate / k
      below += term
    }
    while k > 0, below - term > u {
      below -= term
      term *= k / rate
      k -= 1
    }
    return k
  }

  private final class Evaluator: ObservationEvaluator {
    private let model: PoissonObservation
    private let map: any ForwardEvaluator
    private let memory: RowStorage
    /// ∂E[y]/∂h at the x of the last `expect`.
    private let slopes: RowStorage

    init(_ model: PoissonObservation, _ rows: RowSpan) {
      self.model = model
      map = model.map.makeEvaluator(for: rows)
      let seen = rows.with(dimension: model.observedDimension)
      (memory, slopes) = (RowStorage(seen), RowStorage(seen))
    }

    func logLikelihood(_ x: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>) {
      let h = memory.view(like: y)
      map.evaluate(x, into: h)
      for row in 0..<x.count {
        var sum = 0.0
        for j in 0..<y.dimension {
          let (rate, count) = (model.rate(h[row, j]), y[row, j])
          let least = max(rate, model.floor)
          let logarithm = log(least) + min(0, rate - model.floor) / model.floor
          sum += (count > 0 ? count * logarithm : 0) - max(0, rate) - lgamma(count + 1)
        }
        out[row] = sum.isNaN ? -.infinity : sum
      }
    }

    /// (∂h/∂x)ᵀ g with g = (y/max(λ, floor) − [λ > 0]) ∂λ/∂h
    func gradient(_ x: Rows, of y: Rows, into out: Rows) {
      let h = memory.view(like: y)
      map.evaluate(x, into: h)
      for i in 0..<h.size {
        let rate = model.rate(h.values[i])
        h.values[i] = model.slope * (y.values[i] / max(rate, model.floor) - (rate > 0 ? 1 : 0))
      }
      map.pullback(h, into: out)
    }

    /// E[y | x] = max(λ, 0)
    func expect(_ x: Rows, into y: Rows) -> Bool {
      map.evaluate(x, into: y)
      let kept = slopes.view(like: y)
      for i in 0..<y.size {
        let rate = model.rate(y.values[i])
        kept.values[i] = rate > 0 ? model.slope : 0
        y.values[i] = max(0, rate)
      }
      return true
    }

    func pullback(_ v: Rows, into out: Rows) {
      let (scaled, kept) = (memory.view(like: v), slopes.view(like: v))
      for i in 0..<v.size { scaled.values[i] = kept.values[i] * v.values[i] }
      map.pullback(scaled, into: out)
    }
  }
}
