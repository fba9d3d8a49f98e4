// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The p-value of a test for copies of training rows: small where more samples lie near a training row than held-out
/// rows do.
///
/// Near is d ≤ τ, for distances d to the nearest training row and thresholds τ at 0.25 % to 50 % of those of samples
/// and held-out rows together. A row counts w = (r/median r)^min(D, 8), at most 10, where r is the distance to the
/// eleventh nearest training row: 1/density up to a factor, as a row so near to a training row is the less likely by
/// chance the less data there is around (the score test of a small share of copies weights so). The statistic is the
/// largest over τ of the standardised sum of w over near samples. Its law is exact under permutations of who is a
/// sample and who is held out, of which 999 are drawn: p = (1 + the permutations that reach it)/1000, and p ≤ α has
/// probability at most α for samples of the law of the data, whatever that law and the number of rows.
///
/// A p-value has no interval.
public struct CopyTest: Metric {
  /// How many permutations are drawn.
  public static let permutations = 999
  static let shares = [0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5]

  /// The test has no parameters.
  public init() {}

  public var usesTraining: Bool { true }
  public var isSharedByRanks: Bool { true }
  public var judgesMemorisation: Bool { true }
  public var better: Direction { .higher }

  /// - Throws: `InputError` where there are no training rows, and for values that are not finite.
  public func evaluate(_ comparison: Comparison) throws -> Double {
    let statistic = try CopyStatistic(TrainingDistances(comparison), dimension: comparison.samples.dimension)
    let observed = statistic.largest(of: statistic.isSample)
    let permuted = try parallelMap(Self.permutations, threads: comparison.threads) { index in
      statistic.largest(of: statistic.permuted(index, seed: comparison.seed))
    }
    // Equal up to the rounding of sums in another order.
    let reached = permuted.count { $0 >= observed - 1e-9 * max(1, abs(observed)) }
    return Double(1 + reached) / Double(1 + Self.permutations)
  }

  public func estimate(_ comparison: Comparison) throws -> Estimate { Estimate(try evaluate(comparison)) }
}

/// The statistic of `CopyTest`, for any labels.
struct CopyStatistic: Sendable {
  /// Whether each row of the near half of both sets, in the order of distances, is a sample.
  let isSample: [Bool]
  private let weights: [Double]
  /// How many rows are within each threshold, rising; and the mean and deviation of their sum under permutations.
  private let thresholds: [(count: Int, mean: Double, deviation: Double)]
  private let samples, total: Int

  init(_ distances: TrainingDistances, dimension: Int) {
    let (n, m) = (distances.samples.nearest.count, distances.heldOut.nearest.count)
    let nearest = distances.samples.nearest + distances.heldOut.nearest
    let around = distances.samples.around + distances.heldOut.around
    let order = nearest.indices.sorted { nearest[$0] == nearest[$1] ? $0 < $1 : nearest[$0] < nearest[$1] }
    let median = around.sorted()[around.count / 2]
    let power = Double(min(dimension, 8))
    let weights = order.map { median > 0 ? min(pow(around[$0] / median, power), 10) : 1 }
    (samples, total) = (n, n + m)
    // Up to the last of rows that are equally far.
    let counts = CopyTest.shares.map { share in
      var count = max(1, Int((share * Double(n + m)).rounded()))
      while count < n + m && nearest[order[count]] == nearest[order[count - 1]] { count += 1 }
      return count
    }
    let (all, part) = (Double(n + m), Double(n) * Double(m))
    var thresholds: [(count: Int, mean: Double, deviation: Double)] = []
    for count in counts where count > (thresholds.last?.count ?? 0) && count < n + m {
      let sum = weights.prefix(count).reduce(0, +)
      let squares = weights.prefix(count).reduce(0) { $0 + $1 * $1 }
      // Of a sum of n of all n + m values, without replacement.
      let variance = part / all * (squares - sum * sum / all) / (all - 1)
      if variance > 0 { thresholds.append((count, Double(n) / all * sum, variance.squareRoot())) }
    }
    self.thresholds = thresholds
    let within = thresholds.last?.count ?? 0
    self.weights = Array(weights.prefix(within))
    isSample = order.prefix(within).map { $0 < n }
  }

  /// Labels that were permuted: who of the near rows is a sample when n of all rows are.
  func permuted(_ index: Int, seed: UInt64) -> [Bool] {
    guard !weights.isEmpty else { return [] }
    let stream = NoiseStream(seed: seed, purpose: .permutations)
    let uniforms = stream.uniforms(count: 1, dimension: weights.count, step: index).values
    var (left, rows) = (samples, total)
    return uniforms.map { u in
      let isSample = u * Double(rows) < Double(left)
      if isSample { left -= 1 }
      rows -= 1
      return isSample
    }
  }

  /// The largest standardised sum.
  func largest(of labels: [Bool]) -> Double {
    var (sum, at, largest) = (0.0, 0, -Double.infinity)
    for threshold in thresholds {
      while at < threshold.count {
        if labels[at] { sum += weights[at] }
        at += 1
      }
      largest = max(largest, (sum - threshold.mean) / threshold.deviation)
    }
    return largest.isFinite ? largest : 0
  }
}
