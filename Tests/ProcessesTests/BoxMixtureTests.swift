// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Testing

/// A case of boxes.json: values with 120 digits by mpmath (make_boxes.py).
struct BoxCase: Decodable, Sendable, CustomTestStringConvertible {
  let name: String
  let weights: [Double]
  let low, high: [[Double]]
  let scale, deviation: Double
  let points, directions: [[Double]]
  let logDensity: [Double]
  let score, jacobianProduct: [[Double]]

  var testDescription: String { "\(name) at m = \(scale), σ = \(deviation)" }

  var law: BoxMixture {
    get throws { try BoxMixture(try zip(low, high).map { try UniformBox(low: $0, high: $1) }, weights: weights) }
  }

  var kernel: ClosedFormKernel {
    let moments = Moments(scale: scale, variance: deviation * deviation)
    return ClosedFormKernel { _ in moments }
  }

  static let all: [BoxCase] = {
    let url = Bundle.module.url(forResource: "boxes", withExtension: "json", subdirectory: "Fixtures")!
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try! decoder.decode([BoxCase].self, from: Data(contentsOf: url))
  }()
}

@Suite struct BoxMixtureTests {
  /// Inside and on edges, in squares of the other colour, and 30 deviations away, under tiny and huge noise. Where an
  /// interval is 1e-8 deviations wide, as the thinnest of these, its own middle is known to 1e-8 of its distance.
  @Test("density, score and products are mpmath's", arguments: BoxCase.all) func reference(_ example: BoxCase) throws {
    let found = try Evaluation(
      BoxScore(try example.law, kernel: example.kernel), [0], at: Batch(rows: example.points),
      along: Batch(rows: example.directions))
    let deviation = example.deviation
    for i in example.points.indices {
      let logDensity = example.logDensity[i]
      #expect(abs(found.logDensity[i] - logDensity) < 1e-9 * max(1, abs(logDensity)), "row \(i)")
      let length = example.score[i].reduce(0) { max($0, abs($1)) }
      let along = example.directions[i].reduce(0) { max($0, abs($1)) }
      let product = example.jacobianProduct[i].reduce(0) { max($0, abs($1)) }
      for j in example.points[i].indices {
        #expect(abs(found.score[i, j] - example.score[i][j]) < 1e-9 * (length + 1e-3 / deviation), "row \(i)")
        // The variance of a normal law beyond 25 deviations is one to 1 % of itself, of 1/25² at most.
        #expect(
          abs(found.product[i, j] - example.jacobianProduct[i][j])
            < 2e-5 * along / (deviation * deviation) + 1e-4 * product, "row \(i)")
      }
    }
  }

  /// The score of one box is that of its parts, weighted by their volumes.
  @Test func parts() throws {
    let (whole, parts) = (
      BoxMixture(try UniformBox(low: [-1, 2], high: [3, 2.5])),
      try BoxMixture(
        [
          UniformBox(low: [-1, 2], high: [0, 2.5]), UniformBox(low: [0, 2], high: [3, 2.125]),
          UniformBox(low: [0, 2.125], high: [3, 2.5]),
        ], weights: [4, 3, 9])
    )
    let points = NoiseStream(seed: 5, purpose: .data).normals(count: 37, dimension: 2)
    let process = PreparedProcess(VPSDE())
    for t in [0.05, 0.4, 1] {
      let scores = try [whole, parts].map {
        try Evaluation(try #require(process.exactScore(of: $0)), [t], at: points, along: points)
      }
      for i in 0..<37 {
        #expect(abs(scores[0].logDensity[i] - scores[1].logDensity[i]) < 1e-9 * max(1, abs(scores[0].logDensity[i])))
        for j in 0..<2 {
          #expect(abs(scores[0].score[i, j] - scores[1].score[i, j]) < 1e-9 * max(1, abs(scores[0].score[i, j])))
          // What variances beyond 25 deviations are off by.
          let scale = max(1 / process.scalarKernel!.moments(at: t).variance, abs(scores[0].product[i, j]))
          #expect(abs(scores[0].product[i, j] - scores[1].product[i, j]) < 1e-3 * scale)
        }
      }
    }
  }

  /// Rows with times of their own have the scores that they have alone.
  @Test func times() throws {
    let score = try #require(PreparedProcess(VPSDE()).exactScore(of: try BoxCase.all[0].law))
    let points = NoiseStream(seed: 6, purpose: .data).normals(count: 19, dimension: 2)
    let times = (0..<19).map { 0.02 + 0.05 * Double($0 / 2) }
    let together = try Evaluation(score, times, at: points, along: points)
    for i in 0..<19 {
      let row = Batch(rows: [[points[i, 0], points[i, 1]]])
      let alone = try Evaluation(score, [times[i]], at: row, along: row)
      #expect(alone.logDensity[0] == together.logDensity[i])
      for j in 0..<2 {
        #expect(alone.score[0, j] == together.score[i, j])
        #expect(alone.product[0, j] == together.product[i, j])
      }
    }
  }

  @Test func faults() throws {
    let (line, plane) = (try UniformBox(low: [0], high: [1]), try UniformBox(low: [0, 1], high: [1, 2]))
    #expect(throws: InputError("no box; allowed: at least one")) { try BoxMixture([]) }
    #expect(throws: InputError("box 2 has 2 columns, the first one 1; allowed: as many")) {
      try BoxMixture([line, plane])
    }
    #expect(throws: InputError("1 weights for 2 boxes; allowed: as many")) {
      try BoxMixture([line, line], weights: [1])
    }
    #expect(throws: InputError("weights [1.0, 0.0]; allowed: finite numbers above 0")) {
      try BoxMixture([line, line], weights: [1, 0])
    }
    let score = BoxScore(BoxMixture(plane), kernel: try BoxCase.all[0].kernel)
    #expect(throws: InputError.self) { try score.makeEvaluator(for: RowSpan(first: 0, count: 1, dimension: 3)) }
  }
}
