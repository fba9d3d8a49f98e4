// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The root mean square distance of samples from the truth behind their observations, over all values. It does not rank
/// posteriors: a point estimate has a smaller one than draws of the true posterior have.
///
/// Its interval comes from the observations, which are independent: a mean of squares for each, and its influence.
public struct TruthError: Metric {
  /// The metric has no parameters.
  public init() {}

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  /// - Throws: `InputError` where the truth behind the observations is not known.
  public func estimate(_ comparison: Comparison) throws -> Estimate {
    guard let truth = comparison.truth, truth.count > 0, truth.dimension == comparison.samples.dimension else {
      throw InputError("needs the truth behind every observation: value: {held_out: …} of sampling.observation")
    }
    let samples = comparison.samples
    var (sums, counts) = ([Double](repeating: 0, count: truth.count), [Double](repeating: 0, count: truth.count))
    for i in 0..<samples.count {
      let k = i % truth.count
      sums[k] += zip(samples.row(i), truth.row(k)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      counts[k] += 1
    }
    let means = zip(sums, counts).filter { $0.1 > 0 }.map { $0.0 / $0.1 / Double(samples.dimension) }
    let mean = means.reduce(0, +) / Double(max(1, means.count))
    let error = mean.squareRoot()
    guard error > 0, means.count > 1 else { return Estimate(error) }
    return Estimate(error, sampleInfluences: means.map { ($0 - mean) / (2 * error) }, scale: .logarithm)
  }
}
