// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Optimised grids of a config") struct OptimisedGridTests {
  static let text = """
    name: times
    seed: 5
    data: {kind: gaussian-mixture, weights: [0.3, 0.7], means: [[-1.5, 0.5], [1, -0.5]], deviations: [0.4, 0.6], count: 50, held_out: 50}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 256
      path: coupled
      grid: {kind: optimised, rows: 128, trials: 40, candidates: 32}
      solvers:
        - {name: ddim-usual, kind: ddim, steps: 6, grid: log-snr}
        - {name: ddim-karras, kind: ddim, steps: 6, grid: karras}
        - {name: ddim-best, kind: ddim, steps: 6}
        - {name: sde, kind: dpm-solver++-2m-sde, steps: 6}
    evaluation: {metrics: []}
    """

  private static func errors(_ folder: String) -> [String: Double] {
    let lines = contents(folder + "/solvers.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    guard let name = lines.first?.firstIndex(of: "solver"), let error = lines.first?.firstIndex(of: "path_error") else {
      return [:]
    }
    return Dictionary(uniqueKeysWithValues: lines.dropFirst().map { (String($0[name]), Double($0[error]) ?? .nan) })
  }

  @Test("times are found once, kept in the store, and better than the usual ones") func kept() throws {
    try withFolder { folder in
      let store = folder + "/models"
      func run(_ changes: [String], _ name: String) throws {
        _ = try makeExperiment(
          plan(Self.text, overrides: changes), folder: folder + "/" + name, store: store
        ).run()
      }
      func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: store).filter { $0.hasSuffix(".times.json") }.sorted()
      }
      try run([], "a")
      let errors = Self.errors(folder + "/a")
      let best = try #require(errors["ddim-best"])
      let usual = try min(#require(errors["ddim-usual"]), #require(errors["ddim-karras"]))
      #expect(best < 0.8 * usual, "\(errors)")
      #expect(try files().count == 2)
      // Found again without a search: what the file says is taken.
      let file = store + "/" + (try files()[0])
      let (before, times) = (contents(file), contents(folder + "/a/times.csv"))
      #expect(times.split(separator: "\n").count == 15)
      try run([], "b")
      #expect(contents(folder + "/b/times.csv") == times && contents(file) == before)
      // A file that is damaged is no file; the times are found again, to the same bytes.
      for name in try files() { try Data("{\"found\": ".utf8).write(to: URL(fileURLWithPath: store + "/" + name)) }
      try run([], "c")
      #expect(contents(folder + "/c/times.csv") == times && contents(file) == before)
      // Another law, another number of steps: other times, kept beside the first.
      try run(["data.deviations=[0.3, 0.6]"], "d")
      try run(["sampling.solvers.2.steps=5"], "e")
      #expect(try files().count == 5)
      #expect(contents(folder + "/d/times.csv") != times)
      // Without optimised solvers in the folder there are no times any more.
      try run(["sampling.grid=karras"], "a")
      #expect(!FileManager.default.fileExists(atPath: folder + "/a/times.csv"))
    }
  }

  @Test("times of a trained network lie beside it, and are others for another training") func learned() throws {
    let changes = [
      "score={kind: network, network: {kind: mlp, hidden: [16], features: 4}}", "training={steps: 20, batch: 32}",
      "sampling.solvers=[{name: u, kind: unipc, steps: 4}]", "sampling.path=independent",
      "sampling.grid.trials=10", "evaluation.path_error=true",
    ]
    try withFolder { folder in
      let store = folder + "/models"
      for (steps, count) in [(20, 1), (30, 2)] {
        let experiment = makeExperiment(
          try plan(Self.text, overrides: changes + ["training.steps=\(steps)"]), folder: folder + "/\(steps)",
          store: store)
        _ = try experiment.run()
        let names = try FileManager.default.contentsOfDirectory(atPath: store)
        let times = names.filter { $0.hasSuffix(".times.json") }
        #expect(times.count == count)
        let network = try #require(names.first { $0.hasSuffix("-\(steps).safetensors") }).dropLast(".safetensors".count)
        #expect(times.contains { $0.hasPrefix(network) }, "\(names)")
      }
    }
  }

  static let refusals: [(changes: [String], says: [String])] = [
    (
      ["sampling.solvers.2={name: a, kind: annealed-langevin, steps: 5, grid: optimised}"],
      ["solvers.2", "plain loop of steps"]
    ),
    (["sampling.solvers.2={name: a, kind: predictor-corrector, steps: 5}"], ["solvers.2", "corrector"]),
    (["sampling.grid.search=local-error"], ["solvers.3", "solver of the flow"]),
    (["sampling.grid={kind: optimised, search: alignment, trials: 5}"], ["grid.trials", "flow"]),
    (["sampling.grid.rows=0"], ["grid.rows", "1"]),
    (["sampling.solvers.2.steps=600"], ["solvers.2", "up to 500"]),
    (
      ["sampling.grid=log-snr", "sampling.solvers=[{name: p, kind: probability-flow}]"],
      ["sampling.grid", "fixed steps"]
    ),
    (
      [
        "score={kind: network}",
        "training={steps: 5, preview: {steps: 5, solver: {kind: ddim, steps: 5, grid: optimised}}}",
      ],
      ["training", "optimised", "another grid"]
    ),
  ]

  @Test("solvers without times to find are refused in one line", arguments: refusals.indices)
  func refused(index: Int) {
    let (changes, says) = Self.refusals[index]
    let error = #expect(throws: InputError.self) { try plan(Self.text, overrides: changes) }
    let message = error?.description ?? ""
    for part in says { #expect(message.contains(part), "\(changes): \(message)") }
    #expect(!message.contains("\n"))
  }
}
