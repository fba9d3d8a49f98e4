// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Processes
import Scores
import Solvers
import Testing

@Suite("Path errors") struct PathErrorTests {
  /// Euler's end and the exact one are affine in the prior's draw, so that a column of another seed agrees.
  @Test("the path error is the root mean square over rows and values that a convergence study finds")
  func rootMeanSquare() throws {
    let text = """
      name: path
      seed: 3
      data: {kind: gaussian-mixture, weights: [1], means: [[1, -0.5]], deviations: [0.4], count: 50, held_out: 50}
      process: {kind: vp}
      score: {kind: exact}
      sampling: {count: 1024, grid: uniform, solvers: [{name: euler, kind: euler, steps: 40}]}
      evaluation: {metrics: [], path_error: true}
      """
    let found = try withFolder { folder in
      _ = try makeExperiment(try plan(text), folder: folder).run()
      let rows = contents(folder + "/solvers.csv").split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false)
      }
      let column = try #require(rows[0].firstIndex(of: "path_error"))
      return try #require(Double(rows[1][column]))
    }
    let process = PreparedProcess(VPSDE())
    let law = DataLaw(try GaussianMixture(weights: [1], means: [[1, -0.5]], deviations: [0.4]))
    let study = ConvergenceStudy(
      process: process, score: try #require(process.exactScore(of: law)), dimension: 2, seed: 17, steps: [20, 40],
      rows: 4096)
    let reference = try study.reference(isStochastic: false, grid: UniformGrid())
    let expected = try study.measure(RungeKutta(.euler), grid: UniformGrid(), against: reference).errors[1]
    // Each is a root mean square of 2,000 and 8,000 normals: 1.6 and 0.8 %, 5 of them.
    #expect(abs(found / expected - 1) < 0.09)
  }
}
