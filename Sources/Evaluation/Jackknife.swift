// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The influences of groups of rows, by leaving out one group at a time (Quenouille 1956; Tukey 1958; for groups, Shao
/// and Tu 1995, *The jackknife and bootstrap*, section 2.3).
///
/// `Deal` makes the groups at random, so that each is like the whole, whatever the order of the rows. The influence of
/// group g is (n − n_g)/n_g (θ̂ − θ̂₋g), which for a mean is the group's mean less that of all rows.
public enum Jackknife {
  /// How many groups the samples are cut into, and the held-out rows: enough degrees of freedom for Student's t to be
  /// within 3 % of the normal quantile, at the cost of 40 evaluations.
  public static let groups = 20

  /// A metric with its interval.
  ///
  /// It has none where there are too few rows to leave any out, or where the metric is not defined for the rest.
  /// - Parameters:
  ///   - comparison: what is judged.
  ///   - fewestRows: how many rows the metric needs of each.
  ///   - scale: where the interval is symmetric.
  ///   - evaluate: the metric, which is asked 1 + 2 G times.
  /// - Throws: what the metric throws for all rows.
  public static func estimate(
    _ comparison: Comparison, fewestRows: Int = 1, scale: IntervalScale = .linear,
    _ evaluate: (Comparison) throws -> Double
  ) throws -> Estimate {
    let value = try evaluate(comparison)
    let (n, m) = (comparison.samples.count, comparison.heldOut.count)
    guard value.isFinite, min(leastLeft(of: n), leastLeft(of: m)) >= max(1, fewestRows) else { return Estimate(value) }
    do {
      let samples = try influences(value, rows: n) { try evaluate(comparison.only(samples: $0)) }
      let heldOut = try influences(value, rows: m) { try evaluate(comparison.only(heldOut: $0)) }
      guard (samples + heldOut).allSatisfy(\.isFinite) else { return Estimate(value) }
      return Estimate(value, sampleInfluences: samples, heldOutInfluences: heldOut, scale: scale)
    } catch is InputError {
      return Estimate(value)
    }
  }

  /// How many rows are left without the largest group; 0 where there is no second group.
  private static func leastLeft(of rows: Int) -> Int {
    let parts = parts(of: rows)
    return parts.count < 2 ? 0 : rows - parts.reduce(0) { max($0, $1.count) }
  }

  /// The rows of each group: one row at least.
  private static func parts(of rows: Int) -> [[Int]] { Deal.random(min(groups, rows), count: rows) }

  private static func influences(_ value: Double, rows: Int, _ evaluate: ([Int]) throws -> Double) throws -> [Double] {
    try parts(of: rows).map { part in
      let out = Set(part)
      let rest = (0..<rows).filter { !out.contains($0) }
      return Double(rest.count) / Double(part.count) * (value - (try evaluate(rest)))
    }
  }
}

extension Comparison {
  /// The same with some of the samples, in the order given.
  public func only(samples rows: [Int]) -> Comparison {
    Comparison(
      samples: samples.only(rows), sampleConditions: sampleConditions.only(rows), reference: reference, seed: seed,
      bootstrap: bootstrap, threads: threads)
  }

  /// The same with some of the held-out rows, in the order given. What was prepared for all of them is made anew.
  public func only(heldOut rows: [Int]) -> Comparison {
    Comparison(
      samples: samples, sampleConditions: sampleConditions,
      reference: Reference(
        heldOut: heldOut.only(rows), heldOutConditions: heldOutConditions.only(rows), training: reference.training,
        trainingConditions: reference.trainingConditions, image: image), seed: seed, bootstrap: bootstrap,
      threads: threads)
  }
}

extension Batch {
  /// Some of the rows, in the order given.
  func only(_ rows: [Int]) -> Batch {
    var values: [Double] = []
    values.reserveCapacity(rows.count * dimension)
    for row in rows { values.append(contentsOf: self.row(row)) }
    return Batch(values: values, dimension: dimension)
  }
}
