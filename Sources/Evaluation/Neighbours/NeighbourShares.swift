// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What precision, recall, density and coverage are made of: which samples are in balls of held-out rows, or the other
/// way round, for all rows and for random halves.
struct NeighbourShares {
  private let balls, points: Int
  private let ballHalves, pointHalves: [UInt64]
  private let contents: NeighbourBalls.Contents
  private let k: Int
  /// Whether each half has k neighbours for its rows.
  private let hasHalves: Bool

  /// - Parameters:
  ///   - comparison: samples and held-out rows, more than k of each.
  ///   - k: which neighbour a ball reaches to.
  ///   - areSamplesCentres: whether balls are around samples, and held-out rows the points; else the other way round.
  /// - Throws: `InputError` for fewer rows, or values that are not finite.
  init(_ comparison: Comparison, k: Int, areSamplesCentres: Bool) throws {
    try comparison.requireRows(atLeast: k + 1)
    try comparison.requireFiniteDistances()
    let (samples, heldOut, threads) = (comparison.samples, comparison.heldOut, comparison.threads)
    let sampleHalves = RandomHalves.masks(rows: samples.count, seed: comparison.seed, part: 0)
    let heldOutHalves = comparison.reference.once("halves \(comparison.seed)") {
      RandomHalves.masks(rows: heldOut.count, seed: comparison.seed, part: 1)
    }
    let balls: NeighbourBalls
    if areSamplesCentres {
      balls = try NeighbourBalls(samples, k: k, halves: sampleHalves, threads: threads)
      (ballHalves, pointHalves) = (sampleHalves, heldOutHalves)
    } else {
      balls = try comparison.reference.once("balls \(k) \(comparison.seed)") {
        try NeighbourBalls(heldOut, k: k, halves: heldOutHalves, threads: threads)
      }
      (ballHalves, pointHalves) = (heldOutHalves, sampleHalves)
    }
    let points = areSamplesCentres ? heldOut : samples
    contents = try balls.contents(points, halves: pointHalves, threads: threads)
    (self.k, self.balls, self.points) = (k, ballHalves.count, points.count)
    hasHalves = min(samples.count, heldOut.count) >= 2 * (k + 1)
  }

  /// The share of points that are in a ball.
  var inside: Estimate {
    let share = Double(contents.counts.count { $0 > 0 }) / Double(points)
    return estimate(share: share, of: points, Self.shares(contents.inside, pointHalves))
  }

  /// The share of balls that hold a point.
  var hit: Estimate {
    let share = Double(contents.isHit.count { $0 }) / Double(balls)
    return estimate(share: share, of: balls, Self.shares(contents.hit, ballHalves))
  }

  /// In how many balls a point is on average, over k.
  var density: Estimate {
    let pairs = contents.counts.reduce(0) { $0 + Int($1) }
    let halves = (0..<RandomHalves.splits).map { split -> RandomHalves.Pair in
      let second = pointHalves.count { $0 >> UInt64(split) & 1 == 1 }
      return (
        Double(contents.pairs[2 * split]) / Double(k * (points - second)),
        Double(contents.pairs[2 * split + 1]) / Double(k * second)
      )
    }
    return RandomHalves.estimate(
      Double(pairs) / Double(k * points), halves: hasHalves ? halves : [], scale: .logarithm)
  }

  private func estimate(share: Double, of rows: Int, _ halves: [RandomHalves.Pair]) -> Estimate {
    RandomHalves.estimate(share: share, halves: hasHalves ? halves : [], rows: rows)
  }

  /// The shares of set bits in both halves, for each split.
  private static func shares(_ bits: [UInt64], _ halves: [UInt64]) -> [RandomHalves.Pair] {
    (0..<RandomHalves.splits).map { split in
      var (set, size) = ([0, 0], [0, 0])
      for (word, half) in zip(bits, halves) {
        let part = Int(half >> UInt64(split) & 1)
        size[part] += 1
        set[part] += Int(word >> UInt64(split) & 1)
      }
      return (Double(set[0]) / Double(size[0]), Double(set[1]) / Double(size[1]))
    }
  }
}
