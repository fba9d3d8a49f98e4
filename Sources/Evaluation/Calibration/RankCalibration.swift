// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The p-value of a test whether posterior samples are calibrated: whether the truth behind each observation could be
/// one more of the samples that were drawn for it.
///
/// For every observation the truth and its L samples are projected on random directions, and the truth has a rank among
/// them. Where samples come from the posterior these ranks are uniform (Talts et al. 2018): U-shaped histograms tell of
/// posteriors that are too narrow, sloped ones of bias. The statistic is χ² of the ranks in `bins` bins, summed over
/// directions. Its law is exact whatever the correlation of directions: truth and samples are exchangeable, so that in
/// each of 999 permutations one row of every observation, at random, plays the truth. p ≤ α has probability at most α
/// where samples are calibrated.
///
/// A p-value has no interval.
public struct RankCalibration: Metric {
  /// How many permutations are drawn.
  public static let permutations = 999
  /// How many random directions rows are projected on.
  public let directions: Int
  /// How many bins the ranks of one direction fall into.
  public let bins: Int

  /// - Parameters:
  ///   - directions: random directions that rows are projected on, 1 or more.
  ///   - bins: of the histogram of ranks, 2 or more.
  public init(directions: Int = 16, bins: Int = 10) {
    precondition(directions > 0 && bins > 1)
    (self.directions, self.bins) = (directions, bins)
  }

  public var isSharedByRanks: Bool { true }
  public var better: Direction { .higher }

  /// - Throws: `InputError` where the truth behind the observations is not known, or there is no sample of one.
  public func evaluate(_ comparison: Comparison) throws -> Double {
    let places = try bins(of: comparison)
    let expected = Double(places.count) / Double(bins)
    @Sendable func statistic(_ choice: (_ observation: Int, _ rows: Int) -> Int) -> Double {
      var counts = [Double](repeating: 0, count: directions * bins)
      for (k, rows) in places.enumerated() {
        let row = choice(k, rows.count / directions)
        for j in 0..<directions { counts[j * bins + rows[row * directions + j]] += 1 }
      }
      return counts.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected }
    }
    let observed = statistic { _, _ in 0 }
    let stream = NoiseStream(seed: comparison.seed, purpose: .calibration)
    let permuted = try parallelMap(Self.permutations, threads: comparison.threads) { index in
      let uniforms = stream.uniforms(count: 1, dimension: places.count, step: index + 1).values
      return statistic { k, rows in Int(uniforms[k] * Double(rows)) }
    }
    // Equal up to the rounding of sums in another order.
    let reached = permuted.count { $0 >= observed - 1e-9 * observed }
    return Double(1 + reached) / Double(1 + Self.permutations)
  }

  public func estimate(_ comparison: Comparison) throws -> Estimate { Estimate(try evaluate(comparison)) }

  /// For each observation the bin of every row's rank, rows × directions, the truth first.
  func bins(of comparison: Comparison) throws -> [[Int]] {
    guard let truth = comparison.truth, truth.count > 0 else {
      throw InputError("needs the truth behind every observation: value: {held_out: …} of sampling.observation")
    }
    let (samples, dimension) = (comparison.samples, comparison.samples.dimension)
    guard truth.dimension == dimension else {
      throw InputError("truths of \(truth.dimension) values for samples of \(dimension)")
    }
    guard samples.count >= truth.count else {
      throw InputError("\(samples.count) samples for \(truth.count) observations; allowed: one of each at least")
    }
    let stream = NoiseStream(seed: comparison.seed, purpose: .calibration)
    let axes = stream.normals(count: directions, dimension: dimension)
    return try parallelMap(truth.count, threads: comparison.threads) { k -> [Int] in
      let rows = [truth.row(k)] + stride(from: k, to: samples.count, by: truth.count).map { samples.row($0) }
      var places = [Int](repeating: 0, count: rows.count * directions)
      for j in 0..<directions {
        let values = rows.map { row in zip(row, axes.row(j)).reduce(0) { $0 + $1.0 * $1.1 } }
        for (rank, row) in values.indices.sorted(by: { (values[$0], $0) < (values[$1], $1) }).enumerated() {
          places[row * directions + j] = rank * bins / rows.count
        }
      }
      return places
    }
  }
}

extension Purpose {
  /// Directions and permutations of `RankCalibration`.
  static let calibration = Purpose(rawValue: 46)
}
