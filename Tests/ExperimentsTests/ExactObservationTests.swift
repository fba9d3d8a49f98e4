// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

/// Observations without noise.
@Suite("Exact observations") struct ExactObservationTests {
  private static func text(_ guidance: String) -> String {
    """
    name: exact
    data: {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.4, 0.3], count: 90, held_out: 40}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 12
      observation: {operator: {kind: mask, indices: [0]}, noise: 0, value: [0.7]}
      guidance: \(guidance)
      solvers: [{name: a, kind: ancestral, steps: 30}]
    evaluation: {metrics: [], path_error: false}
    """
  }

  @Test(
    "methods that never divide by the noise draw samples that agree with what was seen",
    arguments: ["ddnm", "ddrm", "{kind: repaint, resamplings: 2, jump: 2}"])
  func taken(_ guidance: String) throws {
    try withFolder { folder in
      let plan = try ExperimentPlan(ConfigSource(text: Self.text(guidance), path: "t.yaml"))
      _ = try makeExperiment(plan, folder: folder + "/r", store: folder + "/models").run()
      let rows = contents(folder + "/r/samples/a.csv").split(separator: "\n").dropFirst()
      #expect(rows.count == 12)
      for row in rows {
        // What is left is the noise at ε, a deviation of 0.01, taken off by Tweedie's mean.
        let first = try #require(row.split(separator: ",").first.flatMap { Double($0) })
        #expect(abs(first - 0.7) < 0.05, "\(guidance): \(first)")
      }
    }
  }

  @Test(
    "methods that divide by it refuse it",
    arguments: ["dps", "pigdm", "tmpd", "mmps", "exact", "{kind: daps}", "smc"])
  func refused(_ guidance: String) throws {
    let error = #expect(throws: InputError.self) {
      try ExperimentPlan(ConfigSource(text: Self.text(guidance), path: "t.yaml"))
    }
    #expect(error?.description.contains("noise of the observation, which is 0") == true, "\(error?.description ?? "")")
  }
}
