// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Experiments
import Foundation
import ScoreSDE
import Testing

/// Posterior methods as configs name them.
@Suite("Posteriors of observations") struct PosteriorTests {
  /// Two values with correlation 0.8, of which the first is seen as 1 with noise 0.5: the second is N(0.64, 0.488).
  private static let text = """
    name: posterior
    data:
      kind: gaussian-mixture
      weights: [1]
      means: [[0, 0]]
      covariances: [[[1, 0.8], [0.8, 1]]]
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 2000
      grid: log-snr
      observation: {operator: {kind: matrix, values: [[1, 0]]}, noise: 0.5, value: [1]}
      solvers: [{name: s, kind: ancestral, steps: 60}]
    evaluation: {metrics: []}
    """

  private func samples(_ overrides: [String]) throws -> [[Double]] {
    try withFolder { folder in
      _ = try makeExperiment(try plan(Self.text, overrides: overrides), folder: folder + "/r").run([.sample])
      return contents(folder + "/r/samples/s.csv").split(separator: "\n").dropFirst().map { line in
        line.split(separator: ",").compactMap { Double($0) }
      }
    }
  }

  /// The mean and variance of the second value.
  private func second(_ overrides: [String]) throws -> (mean: Double, variance: Double) {
    let values = try samples(overrides).map { $0[1] }
    let mean = values.reduce(0, +) / Double(values.count)
    return (mean, values.reduce(0.0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
  }

  /// Where a method is exact, 5 standard errors of 2,000 draws (0.016 and 0.015) and the bias of 60 steps are left.
  @Test("exact methods draw the posterior of what was not seen", arguments: ["exact", "mmps", "tmpd"])
  func exact(name: String) throws {
    let found = try second(["sampling.guidance=\(name)"])
    #expect(abs(found.mean - 0.64) < 0.1, "\(name)")
    #expect(abs(found.variance - 0.488) < 0.1, "\(name)")
  }

  /// Under matrices as kernels, where states have velocities, the exact posterior is a mixture all the same.
  @Test("the exact posterior is known under processes with velocities") func velocities() throws {
    let found = try second([
      "sampling.guidance=exact", "process={kind: cld}", "sampling.grid=uniform",
      "sampling.solvers=[{name: s, kind: sscs, steps: 200}]",
    ])
    #expect(abs(found.mean - 0.64) < 0.1 && abs(found.variance - 0.488) < 0.1, "\(found)")
  }

  /// The others are biased, each in its own way, and yet see the observation: without it the mean is 0.
  @Test(
    "every method looks at the observation",
    arguments: [
      "pigdm", "dps", "ddnm", "ddrm", "diffpir", "repaint", "daps", "{kind: dps, weighting: residual, scale: 0.1}",
    ])
  func looks(guidance: String) throws {
    let found = try second(["sampling.guidance=\(guidance)"])
    #expect(found.mean > 0.25 && found.mean < 1.2, "\(guidance): \(found)")
    #expect(found.variance < 0.9, "\(guidance): \(found)")
  }

  @Test("colours are drawn whose gray is what was seen, and of several inks where gray leaves that open")
  func colourisation() throws {
    try withFolder { folder in
      let source = try ConfigSource(
        path: repository.path + "/Experiments/colourise-digits.yaml",
        overrides: [
          "data.held_out=60", "data.count=60", "sampling.count=24", "sampling.observation.held_out={first: 1}",
          "sampling.solvers=[{name: s, kind: ancestral, steps: 12, guidance: exact}]", "evaluation.metrics=[]",
        ])
      _ = try makeExperiment(ExperimentPlan(source), folder: folder + "/r").run([.sample])
      func table(_ name: String) -> [[Double]] {
        contents("\(folder)/r/\(name).csv").split(separator: "\n").dropFirst().map { line in
          line.split(separator: ",").compactMap { Double($0) }
        }
      }
      let (samples, seen) = (table("samples/s"), table("observations"))
      #expect(samples.count == 24 && samples[0].count == 192 && seen.count == 1 && seen[0].count == 64)
      var square = 0.0
      for x in samples {
        for j in 0..<64 {
          let gray = 0.299 * x[3 * j] + 0.587 * x[3 * j + 1] + 0.114 * x[3 * j + 2]
          square += (gray - seen[0][j]) * (gray - seen[0][j])
        }
      }
      // Noise of 0.05 between what was seen and a draw of the posterior, and less where the law itself is as narrow.
      let residual = (square / Double(24 * 64)).squareRoot()
      #expect(residual > 0.02 && residual < 0.07, "\(residual)")
      // The channel that a sample has most of, over all pixels.
      var inks: [Int] = []
      for x in samples {
        var sums = [0.0, 0, 0]
        for (place, value) in x.enumerated() { sums[place % 3] += value }
        inks.append(sums.firstIndex(of: sums.max() ?? 0) ?? 0)
      }
      #expect(Set(inks).count > 1, "\(inks)")
      #expect(FileManager.default.fileExists(atPath: folder + "/r/samples/s-posterior.png"))
    }
  }

  @Test("each solver may have its own method, and DAPS its own steps") func own() throws {
    let daps = try second([
      "sampling.solvers=[{name: s, kind: ancestral, steps: 30, guidance: {kind: daps, langevin_steps: 100, step_size: 0.05}}]"
    ])
    #expect(daps.mean > 0.25 && daps.mean < 1.2)
    let ddim = try second(["sampling.guidance=ddnm", "sampling.solvers=[{name: s, kind: ddim, eta: 0.5, steps: 60}]"])
    #expect(ddim.mean > 0.25 && ddim.mean < 1.2)
  }

  /// One line each, that says what is needed.
  @Test(
    "what a method is not made for is refused",
    arguments: [
      (["sampling.guidance=exact", "data={kind: two-moons}", "score={kind: empirical}"], "Gaussian mixture"),
      (["sampling.guidance=repaint", "sampling.observation.operator.values=[[1, 1]]"], "mask"),
      (["sampling.guidance=ddrm", "sampling.solvers=[{name: s, kind: unipc, steps: 9}]"], "ancestral"),
      (["sampling.guidance=ddnm", "sampling.solvers=[{name: s, kind: ddim, eta: 0, steps: 9}]"], "eta above 0"),
      (
        [
          "sampling.guidance=ddrm",
          "sampling.solvers=[{name: s, kind: predictor-corrector, predictor: ancestral, steps: 9, corrector: {kind: langevin, snr: 0.1}}]",
        ], "ancestral"
      ),
      (["sampling.guidance=[dps, dps]"], "count twice"),
      (["sampling.guidance=dps", "process={kind: cld}"], "kernel"),
      (["sampling.guidance={kind: pigdm, data_variance: 0}"], "data_variance"),
      (["sampling.guidance={kind: mmps, iterations: 0}"], "iterations"),
      (["sampling.guidance={kind: daps, step_size: 0.1}"], "langevin_steps"),
      (["sampling.guidance={kind: ddrm, eta: 1.5}"], "eta"),
    ]) func refusals(overrides: [String], word: String) throws
  {
    let error = try #require(throws: InputError.self) { try samples(overrides) }
    #expect(error.description.contains(word), "\(error)")
    #expect(!error.description.contains("\n"))
  }

  /// The trap in seconds: two seeds and fewer steps. The ratio of distances has a standard error of some 5 %.
  @Test("in the accuracy trap MMPS is at the floor, and DPS is not") func trap() throws {
    let study = AccuracyTrap(seeds: 2, count: 500, referenceCount: 1000, steps: 150)
    let methods = AccuracyTrap.methods.filter { ["exact", "mmps", "dps"].contains($0.name) }
    let setting = try AccuracyTrap.settings()[0]
    let outcomes = try study.run(setting, methods: methods)
    let floor = try #require(outcomes.last)
    let ratios = Dictionary(uniqueKeysWithValues: outcomes.map { ($0.method, $0.ratio(to: floor).value) })
    #expect(try #require(ratios["exact"]) < 1.25)
    #expect(try #require(ratios["mmps"]) < 1.25)
    #expect(try #require(ratios["dps"]) > 1.5)
  }
}
