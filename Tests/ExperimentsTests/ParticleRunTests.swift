// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Posteriors by particles and candidates") struct ParticleRunTests {
  private static let text = """
    name: seen
    seed: 4
    data: {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.4, 0.3], count: 90, held_out: 40}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 12
      observation: {operator: {kind: matrix, values: [[1, 1]]}, noise: 0.5, value: [[0.7], [-1]]}
      guidance: {kind: smc, particles: 8}
      solvers: [{name: a, kind: ancestral, steps: 12}]
    evaluation: {metrics: [], path_error: false}
    """

  private static func plan(_ changes: [String]) throws -> ExperimentPlan {
    try ExperimentPlan(ConfigSource(text: text, path: "t.yaml", overrides: changes))
  }

  private static func run(_ changes: [String], _ folder: String, threads: Int = 2) throws -> String {
    let experiment = makeExperiment(
      try plan(changes), folder: folder, store: folder + "/.models", threads: threads)
    _ = try experiment.run()
    return experiment.folder
  }

  private static let box = [
    "data={kind: uniform-box, low: [-2, -2], high: [2, 2], count: 90, held_out: 40}",
    "sampling.observation={likelihood: 'sum(normal(y, x1 + x2, 0.5))', value: [[0.7], [-1]]}",
  ]

  /// Every kind of particles gives samples, and the same for any number of threads; particles.csv has both
  /// observations at every step, or is not there.
  @Test(arguments: [
    ([], true), (["sampling.guidance={kind: smc, particles: 8, spread: jacobian}"], true),
    (["sampling.guidance={kind: smc, particles: 8, spread: isotropic, data_deviation: 2}"], true),
    (["sampling.guidance={kind: smc, particles: 8, variant: mcg-diff, resample: 1}"], true),
    (box, true), (box + ["sampling.guidance={kind: monte-carlo, candidates: 16}"], false),
    (box + ["sampling.guidance={kind: monte-carlo, candidates: 16, moves: draws}"], false),
    (box + ["sampling.guidance={kind: monte-carlo, candidates: 16, moves: population}"], true),
    (["sampling.guidance={kind: monte-carlo, candidates: 16, jackknife: false}"], false),
  ])
  func runs(_ changes: [String], _ hasTable: Bool) throws {
    try withFolder { folder in
      let (one, two) = (
        try Self.run(changes, folder + "/one", threads: 1), try Self.run(changes, folder + "/two", threads: 2)
      )
      let samples = try String(contentsOfFile: one + "/samples/a.csv", encoding: .utf8)
      #expect(samples == (try String(contentsOfFile: two + "/samples/a.csv", encoding: .utf8)))
      #expect(samples.split(separator: "\n").count == 13 && !samples.contains("nan"))
      let table = try? String(contentsOfFile: one + "/particles.csv", encoding: .utf8)
      #expect((table != nil) == hasTable)
      if let table {
        #expect(table == (try String(contentsOfFile: two + "/particles.csv", encoding: .utf8)))
        let lines = table.split(separator: "\n").dropFirst()
        #expect(lines.contains { $0.hasPrefix("a,1,1,") } && lines.contains { $0.hasPrefix("a,1,2,") })
      }
    }
  }

  /// What they are not made for: a line with the place, and what is allowed.
  @Test(arguments: [
    (["sampling.solvers.0={name: a, kind: ddim, steps: 5}"], "ancestral: "),
    (["sampling.solvers.0={name: a, kind: probability-flow}"], "a flow"),
    (["sampling.solvers.0={name: a, kind: predictor-corrector, steps: 5, corrector: langevin}"], "a corrector"),
    (["sampling.observation=null"], "needs sampling.observation"),
    (["sampling.guidance={kind: smc, particles: 0}"], "particles"),
    (["sampling.guidance={kind: smc, variant: mcg-diff, spread: jacobian}"], "spread: has no effect"),
    (["sampling.guidance={kind: smc, data_deviation: 2}"], "data_deviation: has no effect"),
    (box + ["sampling.guidance={kind: smc, variant: mcg-diff}"], "y = A x + Gaussian noise"),
    (box + ["sampling.guidance={kind: smc, spread: isotropic}"], "y = A x + Gaussian noise"),
    (
      ["sampling.guidance=monte-carlo", "data={kind: checkerboard}", "score={kind: empirical}"], "p(x₀ | x_t) is known"
    ),
    (["sampling.guidance={kind: monte-carlo, moves: draws, jackknife: false}"], "jackknife: has no effect"),
    (
      ["sampling.guidance={kind: monte-carlo, moves: draws}", "sampling.solvers.0={name: a, kind: ddim, steps: 5}"],
      "allowed: kind ancestral"
    ),
    (["data={kind: uniform-box, low: [0, 1], high: [1, 1]}"], "column 2 goes from 1.0 to 1.0"),
    (["data={kind: uniform-box, low: [0], high: [1, 1]}"], "1 values of low for 2 of high"),
  ])
  func refusals(_ changes: [String], _ says: String) {
    do {
      _ = try Self.plan(changes)
      Issue.record("\(changes) was taken")
    } catch let error as InputError {
      #expect(error.description.contains(says) || says == "ancestral: " && error.description.contains("ddim with eta"))
      #expect(error.description.hasPrefix("t.yaml") || error.description.hasPrefix("--set"), "\(error)")
    } catch { Issue.record("\(error)") }
  }
}
