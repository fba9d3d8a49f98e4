// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation
import Pairs
import Testing

@Suite("Estimates") struct EstimateTests {
  private let few = [0.5, -1.0, 2.0, -1.5]
  private let many = [0.2, -0.4, 0.1, 0.3, -0.2]

  /// scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval() of a = few + 3 and b = −many.
  @Test("the interval is Welch's") func welch() throws {
    let estimate = Estimate(3, sampleInfluences: few, heldOutInfluences: many)
    #expect(abs(try #require(estimate.low) - 0.523_094_355_6) < 1e-9)
    #expect(abs(try #require(estimate.high) - 5.476_905_644_4) < 1e-9)
  }

  @Test("scales: cut at 0, multiplied, and Wilson's for shares") func scales() throws {
    func bounds(_ value: Double, _ scale: IntervalScale) throws -> (Double, Double) {
      let estimate = Estimate(value, sampleInfluences: few, scale: scale)
      return (try #require(estimate.low), try #require(estimate.high))
    }
    let linear = try bounds(1, .linear)
    let half = linear.1 - 1
    #expect(linear.0 < 0 && abs(linear.0 + linear.1 - 2) < 1e-12)
    #expect(try bounds(1, .nonNegative) == (0, linear.1))
    let logarithm = try bounds(2, .logarithm)
    #expect(abs(logarithm.0 - 2 * exp(-half / 2)) < 1e-12 && abs(logarithm.0 * logarithm.1 - 4) < 1e-12)
    #expect(try bounds(-1, .logarithm).1 == -1 + half)
  }

  /// statsmodels.stats.proportion.proportion_confint(k, 40, method="wilson") has the normal quantile; at 40 rows
  /// Student's is 2.0227 in place of 1.96, and ours is 3 % wider: its formula with that quantile is written out here.
  @Test("the interval of a share is Wilson's", arguments: [0, 7, 20, 40]) func wilson(successes: Int) throws {
    let (n, p) = (40.0, Double(successes) / 40)
    let influences = (0..<40).map { ($0 < successes ? 1 : 0) - p }
    let estimate = Estimate(p, sampleInfluences: influences, scale: .share)
    // A variance with n − 1, so that N is n − 1 where the share is inside.
    let (t, count) = (2.022_690_920_036_8, (1..<40).contains(successes) ? n - 1 : n)
    let middle = (p + t * t / (2 * count)) / (1 + t * t / count)
    let reach = t / (1 + t * t / count) * (p * (1 - p) / count + t * t / (4 * count * count)).squareRoot()
    #expect(abs(try #require(estimate.low) - max(0, middle - reach)) < 1e-9)
    #expect(abs(try #require(estimate.high) - min(1, middle + reach)) < 1e-9)
  }

  /// θ = (F − G)/(1 − G) is linear in F: the bounds are θ of those of F, and there is an interval where no row is near.
  @Test("the interval of a share beyond chance is that of the share", arguments: [0, 3, 20, 40])
  func shareBeyond(successes: Int) throws {
    let (chance, p) = (0.05, Double(successes) / 40)
    let influences = (0..<40).map { ($0 < successes ? 1 : 0) - p }
    let share = Estimate(p, sampleInfluences: influences, scale: .share)
    let beyond = Estimate(
      (p - chance) / (1 - chance), sampleInfluences: influences.map { $0 / (1 - chance) },
      scale: .shareBeyond(chance: chance))
    let (low, high) = (try #require(beyond.low), try #require(beyond.high))
    #expect(abs(low - (try #require(share.low) - chance) / (1 - chance)) < 1e-9)
    #expect(abs(high - (try #require(share.high) - chance) / (1 - chance)) < 1e-9)
    #expect(high > low)
  }

  @Test("what influences count twice is taken off, and never more than half") func excess() throws {
    let raw = few.reduce(0) { $0 + $1 * $1 } / 12
    func half(_ excess: Double) throws -> Double {
      try #require(Estimate(0, sampleInfluences: few, excess: .init(samples: excess)).high)
    }
    #expect(abs(try half(0.3 * raw) / half(0) - 0.7.squareRoot()) < 1e-12)
    #expect(abs(try half(5 * raw) / half(0) - 0.5.squareRoot()) < 1e-12)
    #expect(try half(-raw) == half(0))
  }

  @Test("the mean of repeats has more samples, and the same held-out rows") func average() throws {
    let estimates = [few, few.reversed(), few].map {
      Estimate(1, sampleInfluences: $0, heldOutInfluences: many, excess: .init(samples: 0.3, heldOut: 0.01))
    }
    let average = Estimate.average(estimates)
    #expect(average.value == 1 && average.sampleInfluences.count == 12)
    #expect(pairs(average.heldOutInfluences, many).allSatisfy { abs($0 - $1) < 1e-15 })
    #expect(abs(average.excess.samples - 0.1) < 1e-15 && abs(average.excess.heldOut - 0.01) < 1e-15)
    #expect(Estimate.average([Estimate(1), Estimate(3)]) == Estimate(2))
  }

  @Test("the mean of intervals of one's own shrinks as that of influences does") func ownIntervals() throws {
    let own = Estimate(5, low: 4, high: 7, sampleInfluences: few)
    let average = Estimate.average([own, own, own, own])
    let (one, four) = (
      try #require(Estimate(5, sampleInfluences: few).high) - 5,
      try #require(Estimate(5, sampleInfluences: few + few + few + few).high) - 5
    )
    #expect(abs(try #require(average.high) - (5 + 2 * four / one)) < 1e-12)
    #expect(abs(try #require(average.low) - (5 - four / one)) < 1e-12)
  }

  @Test("the mean of shares stays within 0 and 1, and that of shares of 1 has an interval") func shares() throws {
    let flat = [Double](repeating: 0, count: 64)
    let ones = Estimate.average(
      [1, 2, 3].map { _ in Estimate(1, low: 0.98, high: 1, heldOutInfluences: flat, scale: .share) })
    #expect(ones.value == 1 && ones.high == 1)
    #expect(abs(try #require(ones.low) - 0.98) < 1e-12)
    // Wilson's reach below 0.8 is longer than below 0.6 and 1 on average.
    let wide = [0.6, 1.0].map {
      Estimate($0, low: 0, high: 1, heldOutInfluences: few.map { 0.05 * $0 }, scale: .share)
    }
    let mean = Estimate.average(wide)
    #expect(mean.value == 0.8 && mean.low == 0)
    #expect(try #require(mean.high) <= 1)
  }

  @Test("squares hold what their own variance allows") func squares() throws {
    // Σ ψ²/(n (n − 1)) = 0.1 exactly.
    let influences = [1, -1, 1, -1, 1, -1].map { $0 * (0.1 * 30 / 6).squareRoot() }
    func bounds(_ value: Double, _ scale: IntervalScale, _ excess: Double) throws -> (Double, Double) {
      let estimate = Estimate(value, sampleInfluences: influences, scale: scale, excess: .init(samples: excess))
      return (try #require(estimate.low), try #require(estimate.high))
    }
    // Student's t with 5 degrees of freedom.
    let t = 2.570_581_835_636_314
    func wilson(_ value: Double, _ slope: Double, _ constant: Double) -> (Double, Double) {
      // The roots of θ² − (2 θ̂ + t² slope) θ + θ̂² − t² constant.
      let (half, product) = (value + t * t * slope / 2, value * value - t * t * constant)
      let reach = (half * half - product).squareRoot()
      return (half - reach, half + reach)
    }
    // The variance at 2 is 0.1 − 0.02, and of the root that over 4 · 2.
    let plain = try bounds(2, .square, 0.02)
    let (score, half) = (wilson(2, 0.05, -0.02), t * (0.08 / 8).squareRoot())
    let root = 2.0.squareRoot()
    let (low, high) = ((root - half) * (root - half), (root + half) * (root + half))
    #expect(abs(plain.0 - (0.75 * score.0 + 0.25 * low)) < 1e-12)
    #expect(abs(plain.1 - (0.75 * score.1 + 0.25 * high)) < 1e-12)
    // The slope is the largest of 2 excess/bias, √(excess/2) and (0.1 − 1.75 excess)/max(0.3, √excess).
    let cases = [
      (0.5, 0.005, (0.1 - 0.00875) / 0.3), (0.5, 0.045, 0.18), (2, 0.045, 0.15), (0.01, 1e-4, (0.1 - 1.75e-4) / 0.3),
    ]
    for (bias, excess, slope) in cases {
      let unbiased = try bounds(0.3, .unbiasedSquare(bias: bias), excess)
      let expected = wilson(0.3, slope, excess)
      #expect(abs(unbiased.0 - expected.0) < 1e-12 && abs(unbiased.1 - expected.1) < 1e-12)
    }
    // A root r of T = 2 has influences ψ/(2 r).
    let estimate = Estimate(
      root, sampleInfluences: influences.map { $0 / (2 * root) }, scale: .root,
      excess: .init(samples: 0.02 / (4 * 2)))
    #expect(abs(try #require(estimate.low) - plain.0.squareRoot()) < 1e-12)
    #expect(abs(try #require(estimate.high) - plain.1.squareRoot()) < 1e-12)
  }

  @Test("a difference leaves out what both share") func difference() throws {
    let a = Estimate(2, sampleInfluences: few, heldOutInfluences: many)
    let b = Estimate(1.9, sampleInfluences: few.map { $0 + 0.01 * $0 * $0 }, heldOutInfluences: many)
    #expect(Estimate.difference(a, b, sameNoise: true).isClear)
    #expect(!Estimate.difference(a, b, sameNoise: false).isClear)
    let itself = Estimate.difference(a, a, sameNoise: true)
    #expect(itself.value == 0 && itself.low == 0 && !itself.isClear)
    #expect(Estimate.difference(a, Estimate(1), sameNoise: true).low == nil)
    // Independent samples: the held-out part is gone, the others add up.
    let independent = Estimate.difference(a, a, sameNoise: false)
    let deviation = (2 * few.reduce(0) { $0 + $1 * $1 } / 12).squareRoot()
    // Student's t with 6 degrees of freedom.
    #expect(abs(try #require(independent.high) - 2.446_911_851_1 * deviation) < 1e-9)
  }

  /// A metric without an estimate of its own.
  private struct MeanDifference: Metric {
    var fewestRows = 1
    func evaluate(_ comparison: Comparison) throws -> Double {
      try comparison.requireRows(atLeast: fewestRows)
      let mean = { (batch: Batch) in batch.values.reduce(0, +) / Double(batch.count) }
      return mean(comparison.samples) - mean(comparison.heldOut)
    }
  }

  @Test("the jackknife of a mean has the means of groups as influences") func jackknife() throws {
    let x = NoiseStream(seed: 1, purpose: .data).normals(count: 400, dimension: 1)
    let y = NoiseStream(seed: 2, purpose: .data).normals(count: 60, dimension: 1)
    let estimate = try MeanDifference().estimate(Comparison(samples: x, heldOut: y, seed: 1))
    let mean = x.values.reduce(0, +) / 400
    // Twenty groups of twenty rows, in the order of uniform numbers of the rows.
    let keys = NoiseStream(seed: 0, purpose: Purpose(rawValue: 41)).uniforms(count: 400, dimension: 1, step: 2).values
    let order = (0..<400).sorted { keys[$0] < keys[$1] }
    let groups = (0..<20).map { group in order[20 * group..<20 * group + 20].map { x.values[$0] } }
    for (influence, group) in pairs(estimate.sampleInfluences, groups) {
      #expect(abs(influence - (group.reduce(0, +) / Double(group.count) - mean)) < 1e-12)
    }
    #expect(estimate.heldOutInfluences.count == 20 && estimate.low! < estimate.value && estimate.value < estimate.high!)
  }

  /// Rows whose classes take turns: a group of rows i mod 20 would hold one class.
  @Test("groups of the jackknife are like the whole where classes take turns", arguments: [2, 4, 10])
  func turns(classes: Int) throws {
    let count = 2000
    let x = Batch(values: (0..<count).map { Double($0 % classes) }, dimension: 1)
    let noise = NoiseStream(seed: 3, purpose: .data).normals(count: count, dimension: 1)
    let estimate = try MeanDifference().estimate(Comparison(samples: x, heldOut: noise, seed: 1))
    let squares = estimate.sampleInfluences.reduce(0) { $0 + $1 * $1 } / 20
    // The mean of 100 random rows has variance/100; that of 20 such squares a deviation of 0.32 of it, and three of
    // them are allowed. With ten classes groups of rows i mod 20 would have the variance itself.
    let variance = Double(classes * classes - 1) / 12
    #expect(squares < 2 * variance / 100 && squares > 0.1 * variance / 100, "\(squares) \(variance)")
  }

  @Test("no interval where too few rows are left, or the metric is not defined for them") func tooFew() throws {
    let x = NoiseStream(seed: 1, purpose: .data).normals(count: 3, dimension: 1)
    let one = Comparison(samples: x.prefix(1), heldOut: x, seed: 1)
    #expect(try MeanDifference().estimate(one).low == nil)
    let three = Comparison(samples: x, heldOut: x, seed: 1)
    #expect(try MeanDifference(fewestRows: 1).estimate(three).low != nil)
    #expect(try MeanDifference(fewestRows: 3).estimate(three).low == nil)
  }
}
