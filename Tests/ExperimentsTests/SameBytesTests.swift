// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Processes
import Scores
import Solvers
import Testing

/// Results do not depend on threads, nor rows on how many others are asked for. Both tests walk the registry: a new
/// kind is in them without being named.
@Suite("The same bytes") struct SameBytesTests {
  /// Options of kinds whose example is no valid config.
  private static let solverOptions = [
    "predictor-corrector": ", steps: 6, corrector: {kind: langevin, rule: batch-mean}",
    "annealed-langevin": ", steps: 4, steps_per_level: 3", "adaptive": ", rtol: 0.1, atol: 0.1",
    "jolicoeur-martineau": ", rtol: 0.1, atol: 0.1", "scheduler": ", steps: 6, method: euler-ancestral",
  ]

  @Test("of every solver, for 1 to 4 threads and for any number of rows") func solvers() throws {
    let catalogue = Catalogue.standard
    // Solvers of networks that map have tests of their own: no exact score is a map.
    let maps = ["flow-map", "consistency"]
    let names = catalogue.predictors.names + catalogue.solvers.names.filter { !maps.contains($0) }
    for name in names {
      let isLoop = catalogue.predictors.names.contains(name)
      let options = Self.solverOptions[name] ?? (isLoop ? ", steps: 6" : "")
      let plan = try plan(
        """
        name: same
        data: {kind: gaussian-mixture, weights: [1, 2], means: [[-1, 0], [1, 1]], deviations: [0.3, 0.5], held_out: 8}
        process: {kind: vp}
        score: {kind: exact}
        sampling: {count: 8, solvers: [{name: a, kind: \(name)\(options)}]}
        evaluation: {metrics: [energy-distance]}
        """)
      let mixture = try GaussianMixture(weights: [1, 2], means: [[-1, 0], [1, 1]], deviations: [0.3, 0.5])
      let score = try #require(plan.prepared.exactScore(of: DataLaw(mixture)))
      let solver = try #require(plan.sampling.solvers.first).solver
      func draw(_ count: Int, threads: Int) throws -> Batch {
        try Sampler(
          process: plan.prepared, score: score, dimension: 2, seed: 4, epsilon: plan.sampling.epsilon,
          grid: plan.sampling.grid, threads: threads
        ).draw(count, with: solver).batch
      }
      let one = try draw(600, threads: 1)
      for threads in 2...4 { #expect(try draw(600, threads: threads) == one, "\(name), \(threads) threads") }
      for count in [10, 257] { #expect(try draw(count, threads: 2) == one.prefix(count), "\(name), \(count) rows") }
    }
  }

  /// Networks that come from files are made of kinds that are here, and `DiffusersTests` samples them.
  private static let networks = [
    "mlp": "two-moons", "unet": "digits", "text-unet": "scenes, count: 80, held_out: 8",
  ]
  private static let networkOptions = [
    "mlp": ", hidden: [40, 40]", "unet": ", channels: [8, 16], blocks: 1, attention: [4]",
    "text-unet": ", channels: [4, 4, 4], blocks: 1, attention: [8], text_width: 8, text_layers: 1",
  ]

  @Test("of every network's training and samples, for 1 to 4 threads") func networks() throws {
    for kind in Catalogue.standard.networks.names where !kind.contains("diffusers") {
      let data = Self.networks[kind] ?? "two-moons"
      let told = kind == "text-unet" ? ", condition: {text: [a red two, two blue ones]}" : ""
      let text = """
        name: same
        data: {kind: \(data)}
        process: {kind: vp}
        score: {kind: network, network: {kind: \(kind)\(Self.networkOptions[kind] ?? "")}}
        training: {steps: 3, batch: 70}
        sampling: {count: 70\(told), solvers: [{name: a, kind: euler-maruyama, steps: 3}]}
        evaluation: {metrics: [energy-distance]}
        """
      // Rows of more than 256 values are no text.
      let samples = kind == "text-unet" ? "samples/a.npy" : "samples/a.csv"
      var first: [Data] = []
      for threads in 1...4 {
        try withFolder { folder in
          _ = try makeExperiment(try plan(text), folder: folder, threads: threads).run([.train, .sample])
          let files = try ["checkpoint.safetensors", samples, "loss_by_time.csv"].map {
            try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))
          }
          if first.isEmpty { first = files }
          #expect(files == first, "\(kind), \(threads) threads")
        }
      }
    }
  }
}
