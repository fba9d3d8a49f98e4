// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Pairs
import Processes
import Scores
import Solvers
import Testing

/// Every guided score against its field, written out on a mixture whose scores are known.
@Suite("Guided scores") struct GuidedScoreTests {
  /// Sums of a few terms of order 1: rounding alone.
  static let tolerance = 1e-10

  private let times = [0.02, 0.3, 0.9]

  private func largest(_ a: Batch, _ b: Batch) -> Double {
    pairs(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  /// The field of a rule (s_c, s_∅, x, t, row) → s.
  private func field(
    _ mixture: ClassMixture, _ x: Batch, _ labels: [Int], at t: Double,
    _ rule: ([Double], [Double], [Double]) -> [Double]
  ) -> Batch {
    Batch(
      rows: (0..<x.count).map { i in
        let point = Array(x.row(i))
        return rule(mixture.score(point, at: t, labels[i % labels.count]), mixture.score(point, at: t, nil), point)
      })
  }

  @Test("scores of classes are those of a class's own components, whatever the order of rows") func classes() throws {
    let mixture = ClassMixture.plane()
    let x = somePoints(7, dimension: 2)
    let conditions = Conditions.interleaved([.labels([0, 1, 1, 0]), .nothing])
    let score = try mixture.score(given: conditions)
    #expect(score.traits == [.jacobian, .logDensity])
    for t in times {
      let found = try score.values(x, at: .all(t))
      for i in 0..<7 {
        let label: Int? = if case .label(let label) = conditions[i] { label } else { nil }
        let exact = mixture.score(Array(x.row(i)), at: t, label)
        for j in 0..<2 { #expect(abs(found[i, j] - exact[j]) < Self.tolerance) }
      }
      // A row's score does not depend on the others, nor on how its time comes.
      let each = [Double](repeating: t, count: 7)
      #expect(try each.withUnsafeBufferPointer { try score.values(x, at: .each($0.baseAddress!)) } == found)
      let last = try score.values(Batch(values: Array(x.values[8...]), dimension: 2), at: .all(t), from: 4)
      #expect(last.values == Array(found.values[8...]))
      var densities = [Double](repeating: 0, count: 7)
      var copy = x
      try copy.withRows { try score.makeEvaluator(for: $0.span).logDensity($0, at: .all(t), into: &densities) }
      for i in 0..<7 {
        let label: Int? = if case .label(let label) = conditions[i] { label } else { nil }
        #expect(abs(densities[i] - log(mixture.density(Array(x.row(i)), at: t, label))) < Self.tolerance)
      }
    }
    #expect(throws: InputError.self) { try mixture.score(given: .all(.label(2))).values(x, at: .all(0.5)) }
    #expect(throws: InputError.self) { try mixture.score(given: .labels([0, 1])).values(x, at: .all(0.5)) }
  }

  @Test("s = s_∅ + w (s_c − s_∅), in one batch as in two", arguments: [-0.5, 0, 2, 7.5])
  func extrapolated(weight w: Double) throws {
    let mixture = ClassMixture.plane()
    let (x, labels) = (somePoints(9, dimension: 2), [1, 0, 1])
    let conditions = Conditions.labels((0..<9).map { labels[$0 % 3] })
    let both = ExtrapolatedScore(try mixture.pair(given: conditions), weight: w)
    let apart = ExtrapolatedScore(try mixture.pair(given: conditions, isTogether: false), weight: w)
    #expect(both.shardRows == apart.shardRows / 2)
    for t in times {
      let exact = field(mixture, x, labels, at: t) { c, n, _ in zip(c, n).map { $1 + w * ($0 - $1) } }
      let found = try both.values(x, at: .all(t))
      #expect(largest(found, exact) < Self.tolerance)
      #expect(try apart.values(x, at: .all(t)) == found)
    }
  }

  /// The product by central differences of the field: their error is O(h²) and rounding/h.
  @Test("products with the Jacobian are those of the guided field") func jacobian() throws {
    let mixture = ClassMixture.plane()
    let (x, v) = (somePoints(6, dimension: 2), somePoints(7, dimension: 2).only([1, 2, 3, 4, 5, 6]))
    let conditions = Conditions.inTurn(classes: 2)
    let kernel = try #require(mixture.process.scalarKernel)
    let interval = GuidanceInterval(0.1, 2, kernel: kernel)
    let guided: [any Score] = [
      ExtrapolatedScore(try mixture.pair(given: conditions), weight: 3),
      ExtrapolatedScore(try mixture.pair(given: conditions, isTogether: false), weight: 3),
      ExtrapolatedScore(try mixture.pair(given: conditions), weight: 3, interval: interval),
      TiltedScore(try mixture.score(given: .nothing), gradient: try mixture.score(given: conditions), weight: 0.7),
    ]
    // Guidance acts at the middle one alone.
    for t in times {
      for score in guided {
        #expect(score.traits == .jacobian)
        let (values, products) = try score.products(x, v, at: .all(t))
        #expect(try score.values(x, at: .all(t)) == values)
        for j in 0..<2 {
          var (above, below) = (x, x)
          let h = 1e-5
          for i in 0..<6 { (above[i, j], below[i, j]) = (above[i, j] + h, below[i, j] - h) }
          let (up, down) = try (score.values(above, at: .all(t)), score.values(below, at: .all(t)))
          for i in 0..<6 {
            let expected = (0..<2).reduce(0) { $0 + (up[i, $1] - down[i, $1]) / (2 * h) * v[i, $1] }
            #expect(abs(products[i, j] - expected) < 1e-5 * max(1, abs(expected)))
          }
        }
      }
    }
  }

  @Test("outside its interval the score is the condition's, and costs one evaluation") func interval() throws {
    let mixture = ClassMixture.plane()
    let x = somePoints(5, dimension: 2)
    let kernel = try #require(mixture.process.scalarKernel)
    let interval = GuidanceInterval(0.1, 2, kernel: kernel)
    let levels = times.map { kernel.moments(at: $0).noiseToSignal }
    #expect(levels[0] < 0.1 && levels[1] > 0.1 && levels[1] < 2 && levels[2] > 2)
    let conditions = Conditions.inTurn(classes: 2)
    let with = try mixture.score(given: conditions)
    let everywhere = ExtrapolatedScore(try mixture.pair(given: conditions), weight: 4)
    let within = ExtrapolatedScore(try mixture.pair(given: conditions), weight: 4, interval: interval)
    for (t, expected) in zip(times, [with, everywhere, with] as [any Score]) {
      #expect(try within.values(x, at: .all(t)) == expected.values(x, at: .all(t)))
    }
    // Rows of which each has its own time.
    let each = [0.02, 0.3, 0.9, 0.3, 0.02]
    let found = try each.withUnsafeBufferPointer { try within.values(x, at: .each($0.baseAddress!)) }
    for i in 0..<5 {
      let alone = try (each[i] == 0.3 ? everywhere : with).values(
        Batch(rows: [Array(x.row(i))]), at: .all(each[i]), from: i)
      #expect(Array(found.row(i)) == alone.values)
    }
    // Ten steps, of which the grid puts some within: each of these counts 2.
    let problem = SamplingProblem(process: mixture.process, score: within, dimension: 2, seed: 1)
    let grid = try problem.setting.times(steps: 10, grid: nil)
    let inside = grid.dropLast().count { interval.contains($0) }
    #expect(inside > 0 && inside < 10)
    let samples = try Sampler(problem, threads: 1).draw(300, with: FixedSteps(DDIM(), steps: 10), denoise: false)
    #expect(samples.statistics.nfe == Double(10 + inside))
    #expect(samples.statistics.nfeMax == 10 + inside)
  }

  @Test("rescaled values have the spread of the conditional ones, in part", arguments: [true, false])
  func rescaled(noise: Bool) throws {
    let mixture = ClassMixture.plane()
    let (x, labels) = (somePoints(8, dimension: 2), [0, 1])
    let kernel = try #require(mixture.process.scalarKernel)
    let pair = try mixture.pair(given: .inTurn(classes: 2))
    func spread(_ y: [Double]) -> Double {
      let mean = y.reduce(0, +) / Double(y.count)
      return (y.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(y.count)).squareRoot()
    }
    for (share, t) in [(1.0, 0.3), (0.7, 0.3), (0.7, 0.9)] {
      let (m, v) = mixture.moments(at: t)
      let score = ExtrapolatedScore(
        pair, weight: 3, rescaling: .init(share, of: noise ? .noise : .data, kernel: kernel))
      #expect(score.traits == [])
      let exact = field(mixture, x, labels, at: t) { c, n, point in
        let g = zip(c, n).map { $1 + 3 * ($0 - $1) }
        func quantity(_ s: [Double]) -> [Double] {
          noise ? s.map { -v.squareRoot() * $0 } : zip(point, s).map { ($0 + v * $1) / m }
        }
        let factor = share * spread(quantity(c)) / spread(quantity(g)) + 1 - share
        let y = quantity(g).map { factor * $0 }
        return noise ? y.map { -$0 / v.squareRoot() } : zip(point, y).map { (m * $1 - $0) / v }
      }
      // Large where noise is little: relative to the largest value.
      let size = exact.values.reduce(1) { max($0, abs($1)) }
      #expect(largest(try score.values(x, at: .all(t)), exact) < Self.tolerance * size)
    }
  }

  @Test("an exact classifier's gradient gives the same field as both scores") func tilted() throws {
    let mixture = ClassMixture.plane()
    let x = somePoints(6, dimension: 2)
    let conditions = Conditions.inTurn(classes: 2)
    let gradient = ExtrapolatedDifference(
      with: try mixture.score(given: conditions), without: try mixture.score(given: .nothing))
    let kernel = try #require(mixture.process.scalarKernel)
    let interval = GuidanceInterval(0.1, 2, kernel: kernel)
    for t in times {
      for own in [nil, interval] {
        let tilted = TiltedScore(try mixture.score(given: .nothing), gradient: gradient, weight: 2.5, interval: own)
        let free = ExtrapolatedScore(try mixture.pair(given: conditions), weight: 2.5, interval: own)
        #expect(largest(try tilted.values(x, at: .all(t)), try free.values(x, at: .all(t))) < Self.tolerance)
      }
    }
  }

  /// ∇ log p(c | x) = s_c − s_∅
  private struct ExtrapolatedDifference: Score {
    let with, without: any Score

    func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
      Evaluator(try with.makeEvaluator(for: rows), try without.makeEvaluator(for: rows), rows)
    }

    final class Evaluator: ScoreEvaluator {
      let with, without: any ScoreEvaluator
      let other: RowStorage

      init(_ with: any ScoreEvaluator, _ without: any ScoreEvaluator, _ rows: RowSpan) {
        (self.with, self.without, other) = (with, without, RowStorage(rows))
      }

      func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
        try with.evaluate(x, at: times, into: s)
        try without.evaluate(x, at: times, into: other.view(like: x))
        for i in 0..<s.size { s.values[i] -= other.view(like: x).values[i] }
      }
    }
  }
}

extension Batch {
  /// Some of the rows.
  fileprivate func only(_ rows: [Int]) -> Batch { Batch(rows: rows.map { Array(row($0)) }) }
}
