// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import ScoreSDE
import Testing

@Suite("The exact score of a checkerboard") struct CheckerboardRunTests {
  private static let board = """
    name: board
    data: {kind: checkerboard, count: 20, held_out: 400}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 2000
      epsilon: 1.0e-5
      solvers: [{name: ode, kind: probability-flow, integrator: rk8pd, rtol: 1.0e-8, atol: 1.0e-8, denoise: false}]
    likelihood: {epsilon: 1.0e-5, terminal: exact}
    evaluation: {metrics: [{kind: nll, by: exact}, score-error, sliced-wasserstein]}
    """

  /// Samples fill the squares evenly, and held-out rows have the density 1/8. At ε σ is 1.01e-3: beyond the four sides
  /// of a square lies 4 φ(0) σ = 0.0016 of its mass.
  @Test("its flow ends in the squares, and gives the density of the law") func run() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(Self.board), folder: folder).run()
      let samples = try NumericTable(reading: folder + "/samples/ode.csv").values
      var squares = [Int](repeating: 0, count: 8)
      var outside = 0
      for i in 0..<samples.count {
        let (column, row) = (Int(floor(samples[i, 0] + 2)), Int(floor(samples[i, 1] + 2)))
        if (0..<4).contains(column), (0..<4).contains(row), (column + row) % 2 == 0 {
          squares[2 * column + row / 2] += 1
        } else {
          outside += 1
        }
      }
      #expect(outside < 20)
      // An eighth of 2,000, with a deviation of 15.
      for count in squares { #expect(abs(count - 250) < 75) }
      let text = try String(contentsOfFile: folder + "/evaluation.csv", encoding: .utf8)
      let lines = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
      let (metric, value) = (
        try #require(lines[0].firstIndex(of: "metric")), try #require(lines[0].firstIndex(of: "value"))
      )
      func found(_ name: String) throws -> Double {
        try #require(lines.first { $0[metric] == name }.flatMap { Double($0[value]) })
      }
      #expect(abs(try found("nll") - log(8)) < 0.01)
      #expect(try found("score_error") < 1e-25)
    }
  }
}
