// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The share of samples that are copies of training rows, by distances to the nearest training row.
///
/// Let τ be the 5 % quantile of these distances over the held-out rows, F(τ) = P(d ≤ τ) of samples and G(τ) of held-out
/// rows. Where a share π of the samples are copies nearer than τ, and the others are of the law of the data, F = π +
/// (1 − π) G; so the value is (F(τ) − G(τ))/(1 − G(τ)). It is 0 on average for samples of the law of the data, 1 for
/// copies alone, and below 0 for samples that keep farther away from training rows than data does. Copies with so much
/// noise that they are no nearer to their row than data is to its nearest row are not seen, by this or any distance.
///
/// The interval is Wilson's of F, at the number of rows that has the variance of both shares; the held-out part is
/// (dF/dG)² G (1 − G)/m (Hsieh and Turnbull 1996, *Nonparametric and semiparametric estimation of the receiver
/// operating characteristic curve*), with the slope dF/dG between the 2.5 % and the 7.5 % quantile. It holds given the
/// training rows.
public struct Memorisation: Metric {
  /// Which share of the held-out rows is near.
  public static let share = 0.05

  /// The metric has no parameters.
  public init() {}

  public var usesTraining: Bool { true }
  public var judgesMemorisation: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  /// - Throws: `InputError` where there are no training rows, where all held-out rows are equally far from them, and
  ///   for values that are not finite.
  public func estimate(_ comparison: Comparison) throws -> Estimate {
    let distances = try TrainingDistances(comparison)
    let (samples, heldOut) = (distances.samples.nearest, distances.heldOut.nearest)
    let (n, m) = (Double(samples.count), Double(heldOut.count))
    let sorted = heldOut.sorted()
    /// The quantile of a share, as an order statistic whose mean share is the nearest to it.
    func quantile(_ share: Double) -> Double {
      sorted[min(max(Int((share * (m + 1)).rounded()) - 1, 0), sorted.count - 1)]
    }
    func below(_ bound: Double, _ values: [Double]) -> Double { Double(values.count { $0 <= bound }) }
    let bound = quantile(Self.share)
    let near = below(bound, heldOut)
    // All of them at one distance: no share of them is near.
    guard near < m || sorted.count == 1 else {
      throw InputError("all held-out rows are \(bound) from the nearest training row, which tells no copies")
    }
    // The mean share of the law below the order statistic.
    let share = near / (m + 1)
    let value = (below(bound, samples) / n - share) / (1 - share)
    guard sorted.count > 1 else { return Estimate(value) }
    let (low, high) = (quantile(Self.share / 2), quantile(3 * Self.share / 2))
    let width = (below(high, heldOut) - below(low, heldOut)) / m
    let slope = width > 0 ? (below(high, samples) - below(low, samples)) / n / width : 1
    let (mean, heldOutMean) = (below(bound, samples) / n, near / m)
    return Estimate(
      value, sampleInfluences: samples.map { (($0 <= bound ? 1 : 0) - mean) / (1 - share) },
      heldOutInfluences: heldOut.map { slope * (heldOutMean - ($0 <= bound ? 1 : 0)) / (1 - share) },
      scale: .shareBeyond(chance: share))
  }
}
