// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Testing

/// A case of mixture.json: values with 50 digits by mpmath (make_mixture.py).
struct MixtureCase: Decodable, Sendable, CustomTestStringConvertible {
  let name: String
  let weights: [Double]
  let means: [[Double]]
  let covariances: [[[Double]]]
  let scale, variance: Double
  let points, directions: [[Double]]
  let logDensity: [Double]
  let score, jacobianProduct: [[Double]]

  var testDescription: String { "\(name) at m = \(scale), v = \(variance)" }

  static let all: [MixtureCase] = {
    let url = Bundle.module.url(forResource: "mixture", withExtension: "json", subdirectory: "Fixtures")!
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try! decoder.decode([MixtureCase].self, from: Data(contentsOf: url))
  }()
}

/// What a mixture says at some rows.
struct Evaluation {
  var score, product: Batch
  var logDensity: [Double]

  init(_ mixture: GaussianMixture, _ moments: Moments, at points: Batch, along directions: Batch) throws {
    try self.init(MixtureScore(mixture, kernel: ClosedFormKernel { _ in moments }), [0], at: points, along: directions)
  }

  /// - Parameter times: one for all rows, or one a row.
  init(_ score: any Score, _ times: [Double], at points: Batch, along directions: Batch) throws {
    var (x, v) = (points, directions)
    var (s, p) = (Batch(count: x.count, dimension: x.dimension), Batch(count: x.count, dimension: x.dimension))
    var densities = [Double](repeating: 0, count: x.count)
    try x.withRows { x in
      try v.withRows { v in
        try s.withRows { s in
          try p.withRows { p in
            let evaluator = try score.makeEvaluator(for: x.span)
            try times.withUnsafeBufferPointer {
              let when = times.count == 1 ? Times.all(times[0]) : .each($0.baseAddress!)
              try evaluator.linearise(x, at: when, into: s)
              try evaluator.pullback(v, into: p)
              try evaluator.logDensity(x, at: when, into: &densities)
            }
          }
        }
      }
    }
    (self.score, product, logDensity) = (s, p, densities)
  }
}

@Suite struct MixtureFixtureTests {
  static func mixture(_ c: MixtureCase) throws -> GaussianMixture {
    try GaussianMixture(weights: c.weights, means: c.means, covariances: c.covariances)
  }

  @Test(arguments: MixtureCase.all.filter { $0.name != "points" }) func valuesAreThoseOfMpmath(_ c: MixtureCase) throws
  {
    let law = try Self.mixture(c)
    let found = try Evaluation(
      law, Moments(scale: c.scale, variance: c.variance), at: Batch(rows: c.points), along: Batch(rows: c.directions))
    Self.compare(found, c, smallest: law)
  }

  /// `points:` gives all points equal weights; the fixture's unequal ones are made of repeated points.
  @Test(arguments: MixtureCase.all.filter { $0.name == "points" }) func pointsAreAMixtureWithoutSpread(_ c: MixtureCase)
    throws
  {
    let moments = Moments(scale: c.scale, variance: c.variance)
    // The weights 0.1, 0.2, 0.1, 0.15, 0.15, 0.25, 0.05 are twentieths: points repeated 2, 4, 2, 3, 3, 5, 1 times.
    let repeats = c.weights.map { Int((20 * $0).rounded()) }
    let points = pairs(c.means, repeats).flatMap { Array(repeating: $0, count: $1) }
    let found = try Evaluation(
      GaussianMixture(points: Batch(rows: points)), moments, at: Batch(rows: c.points), along: Batch(rows: c.directions)
    )
    Self.compare(found, c, smallest: nil)
  }

  static func compare(_ found: Evaluation, _ c: MixtureCase, smallest: GaussianMixture?) {
    // The precision's largest eigenvalue: a score and its derivative are sums of terms P (x − μ) and P, with rounding
    // of 1e-16 of these, and of exponents e up to 2,000 whose rounding shows in the posteriors as 1e-16 e.
    let d = c.means[0].count
    var least = Double.infinity
    for m in c.covariances {
      let trace = (0..<d).reduce(0) { $0 + m[$1][$1] }
      var floor = (0..<d).map { m[$0][$0] }.min()!
      if d == 2 { floor = (m[0][0] * m[1][1] - m[0][1] * m[1][0]) / trace }
      if d == 3 { floor = min(floor, 0.02) }
      least = min(least, floor)
    }
    if smallest == nil { least = 0 }
    let precision = 1 / (c.scale * c.scale * least + c.variance)
    for (i, point) in c.points.enumerated() {
      let reach = point.map(abs).max()! + c.means.flatMap { $0 }.map(abs).max()!
      let exponent = 1 + abs(c.logDensity[i])
      #expect(abs(found.logDensity[i] - c.logDensity[i]) < 1e-12 * exponent + 1e-15 * precision * reach * reach)
      let pull = precision.squareRoot() * exponent.squareRoot() + 1
      for j in point.indices {
        // Cancelling of x − m μ (1e-16 · reach · precision), and of terms of size pull.
        let tolerance = 1e-12 * (abs(c.score[i][j]) + pull) + 4e-16 * precision * reach
        #expect(abs(found.score[i, j] - c.score[i][j]) < tolerance, "point \(i)")
        let square = 1e-11 * (precision + pull * pull)
        #expect(abs(found.product[i, j] - c.jacobianProduct[i][j]) < square, "point \(i)")
      }
    }
  }
}
