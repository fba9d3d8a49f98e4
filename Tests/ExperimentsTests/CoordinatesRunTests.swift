// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import Processes
import ScoreSDE
import Testing

@Suite("Coordinates of experiments") struct CoordinatesRunTests {
  /// Data far from 0, of which the variance-preserving process alone makes 996.7 on average.
  private static let far = """
    name: far
    data: {kind: gaussian-mixture, weights: [1], means: [[1000, -1000]], deviations: [0.5], count: 4000, held_out: 40}
    coordinates: [standardise]
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 2000
      solvers: [{name: ode, kind: probability-flow, rtol: 1.0e-6, atol: 1.0e-6}]
    likelihood: {terminal: exact, epsilon: 0, rtol: 1.0e-9, atol: 1.0e-9}
    evaluation: {metrics: [energy-distance]}
    """

  private func rows(_ path: String) throws -> Batch { try NumericTable(reading: path).values }

  private func moments(_ batch: Batch, _ column: Int) -> (mean: Double, deviation: Double) {
    let values = (0..<batch.count).map { batch[$0, column] }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, (squares / Double(values.count)).squareRoot())
  }

  /// log p(x) of a mixture, through its score under VP at t = 0.
  private func logDensities(_ mixture: GaussianMixture, _ points: Batch) throws -> [Double] {
    var (points, densities) = (points, [Double](repeating: 0, count: points.count))
    let score = mixture.score(under: VPSDE())
    try points.withRows { rows in
      let evaluator = try score.makeEvaluator(for: rows.span)
      try densities.withUnsafeMutableBufferPointer {
        try evaluator.logDensity(rows, at: .all(0), into: $0.baseAddress!)
      }
    }
    return densities
  }

  @Test("standardised data at ±1000 are sampled where they are, with the exact score") func exactSamples() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(Self.far), folder: folder).run()
      let samples = try rows(folder + "/samples/ode.csv")
      for (column, centre) in [(0, 1000.0), (1, -1000.0)] {
        let (mean, deviation) = moments(samples, column)
        // Sampling errors of 2000 rows: 0.5/√2000 = 0.011 and 0.5/√4000 = 0.008, four of each.
        #expect(abs(mean - centre) < 0.045)
        #expect(abs(deviation - 0.5) < 0.032)
      }
    }
  }

  @Test("a network on standardised data at ±1000 samples where they are") func learnedSamples() throws {
    let text = Self.far.replacing(
      "score: {kind: exact}",
      with: """
        score: {kind: network, prediction: velocity, network: {kind: mlp, hidden: [32, 32], features: 8}}
        training: {steps: 1500, batch: 128, learning_rate: 5.0e-3, ema: 0.99}
        """
    ).replacing("likelihood: {terminal: exact, epsilon: 0, rtol: 1.0e-9, atol: 1.0e-9}", with: "likelihood: {}")
    try withFolder { folder in
      let trajectories = ["sampling.trajectories={rows: [0, 1], every: 5}", "sampling.solvers.0.denoise=false"]
      _ = try makeExperiment(try plan(text, overrides: trajectories), folder: folder).run()
      let samples = try rows(folder + "/samples/ode.csv")
      for (column, centre) in [(0, 1000.0), (1, -1000.0)] {
        let (mean, deviation) = moments(samples, column)
        // A small network's score is wrong by some hundredths; without coordinates the mean is off by 3.
        #expect(abs(mean - centre) < 0.15)
        #expect(abs(deviation - 0.5) < 0.1)
      }
      // Trajectories are in the units of the data from the first moment to the last, which is the sample.
      let lines = contents(folder + "/trajectories.csv").split(separator: "\n").dropFirst()
        .map { $0.split(separator: ",") }
      let first = lines.filter { $0[1] == "0" }.compactMap { Double($0[4]) }
      #expect(first.count > 2)
      #expect(first.allSatisfy { abs($0 - 1000) < 10 })
      #expect(first.last == samples[0, 0])
    }
  }

  @Test("likelihoods are those of the data, with the determinant", arguments: ["auto", "all", "column"])
  func densities(_ sharing: String) throws {
    let mixture = try GaussianMixture(
      weights: [1, 2], means: [[998, 0.1], [1003, 0.3]],
      covariances: [[[0.3, 0.2], [0.2, 2]], [[1, -0.4], [-0.4, 0.5]]])
    let data =
      "data={kind: gaussian-mixture, weights: [1, 2], means: [[998, 0.1], [1003, 0.3]], covariances: "
      + "[[[0.3, 0.2], [0.2, 2]], [[1, -0.4], [-0.4, 0.5]]], held_out: 20}"
    try withFolder { folder in
      let overrides = [data, "coordinates=[{kind: standardise, per: \(sharing)}]"]
      let experiment = makeExperiment(try plan(Self.far, overrides: overrides), folder: folder)
      _ = try experiment.logDensities(of: PointFiles(input: nil, output: folder + "/l.csv"))
      let found = try rows(folder + "/l.csv").values
      let exact = try logDensities(mixture, experiment.plan.data.load(seed: experiment.plan.seed).heldOut)
      #expect(found.count == 20)
      // Some hundred steps at tolerance 1e-9, and data near 1000 rounded to 1e-13.
      for (a, b) in pairs(found, exact) { #expect(abs(a - b) < 1e-6) }
    }
  }

  @Test("under the logarithm, exponentials of a mixture have its densities over x") func logarithms() throws {
    let mixture = try GaussianMixture(weights: [1, 2], means: [[-1, -0.6], [0.5, 0.3]], deviations: [0.3, 0.5])
    let overrides = [
      "data={kind: gaussian-mixture, weights: [1, 2], means: [[-1, -0.6], [0.5, 0.3]], deviations: [0.3, 0.5], "
        + "exponential: true, held_out: 20}", "coordinates=[logarithm]",
    ]
    try withFolder { folder in
      let experiment = makeExperiment(try plan(Self.far, overrides: overrides), folder: folder)
      _ = try experiment.logDensities(of: PointFiles(input: nil, output: folder + "/l.csv"))
      let points = try experiment.plan.data.load(seed: experiment.plan.seed).heldOut
      let logarithms = Batch(values: points.values.map { log($0) }, dimension: 2)
      let exact = try logDensities(mixture, logarithms)
      for (i, found) in try rows(folder + "/l.csv").values.enumerated() {
        #expect(abs(found - (exact[i] - logarithms[i, 0] - logarithms[i, 1])) < 1e-6)
      }
    }
  }

  @Test("codes, points between points and scores are in the units of the data") func points() throws {
    try withFolder { folder in
      let experiment = makeExperiment(try plan(Self.far), folder: folder)
      let heldOut = try experiment.plan.data.load(seed: experiment.plan.seed).heldOut
      let (codes, back, between) = (folder + "/z.csv", folder + "/y.csv", folder + "/b.csv")
      _ = try experiment.encode(PointFiles(input: nil, output: codes))
      _ = try experiment.decode(PointFiles(input: codes, output: back))
      for (a, b) in pairs(try rows(back).values, heldOut.values) { #expect(abs(a - b) < 1e-6) }
      // Codes of standardised data are standard normal in coordinates: 1000 ± 0.5 again.
      let (mean, deviation) = moments(try rows(codes), 0)
      #expect(abs(mean - 1000) < 0.4 && deviation > 0.3 && deviation < 0.7)
      _ = try experiment.interpolate(PointFiles(input: nil, output: between, count: 2), frames: 3, by: .linear)
      let frames = try rows(between)
      #expect(frames.values.allSatisfy { abs(abs($0) - 1000) < 4 })

      // y = (x − m)/s is normal, and so is y_t with mean a μ and variance a² σ² + v; s_x = s_y/s.
      try experiment.scorePoints(at: 0.3, PointFiles(input: nil, output: back), quantity: .score)
      let training = try experiment.plan.data.load(seed: experiment.plan.seed).training
      // ∫β = 0.1 t + 19.9 t²/2 at t = 0.3; a² = e^{−∫β} and v = 1 − a².
      let integral = 0.1 * 0.3 + 0.5 * 19.9 * 0.09
      let (scale, noise) = (exp(-0.5 * integral), 1 - exp(-integral))
      let scores = try rows(back)
      for (j, centre) in [(0, 1000.0), (1, -1000.0)] {
        let (m, s) = moments(training, j)
        let variance = scale * scale * 0.25 / (s * s) + noise
        for i in 0..<40 {
          let distance = (heldOut[i, j] - m) / s - scale * (centre - m) / s
          // The score is of order 2, from numbers rounded to 1e-13.
          #expect(abs(scores[i, j] + distance / variance / s) < 1e-9)
        }
      }
    }
  }

  @Test("a network trained on dequantised, standardised digits has sensible bits per dimension") func bits() throws {
    let text = """
      name: bits
      data: {kind: digits}
      coordinates: [dequantise, standardise]
      process: {kind: vp}
      score: {kind: network, prediction: velocity, network: {kind: mlp, hidden: [64], features: 16}}
      training: {steps: 500, batch: 64, learning_rate: 3.0e-3, ema: 0.99}
      sampling: {count: 0, solvers: []}
      likelihood: {divergence: hutchinson, probes: 4, rtol: 1.0e-3, atol: 1.0e-3}
      """
    try withFolder { folder in
      let experiment = makeExperiment(try plan(text), folder: folder)
      _ = try experiment.run([.train])
      _ = try experiment.logDensities(of: PointFiles(input: nil, output: folder + "/l.csv", count: 16))
      let table = try NumericTable(reading: folder + "/l.csv")
      #expect(table.header == ["log_density", "standard_error", "bits_per_dimension"])
      let bits = (0..<16).map { table.values[$0, 2] }
      let mean = bits.reduce(0, +) / 16
      for value in bits { #expect(value.isFinite) }
      // A uniform law takes log₂ 17 = 4.1 bits; one normal law for all pixels 4.6. A network that has begun to learn
      // takes less than these, and the entropy of the digits is above 1.
      #expect(mean > 1 && mean < 4.5)
    }
  }

  @Test("a borrowed network brings the numbers of its coordinates along") func borrowed() throws {
    let trained = tiny.replacing("process: {kind: vp}", with: "coordinates: [standardise]\nprocess: {kind: vp}")
    try withFolder { folder in
      _ = try makeExperiment(try plan(trained), folder: folder + "/a").run()
      // Other data of the same dimension, whose mean and deviation are others.
      let text = """
        name: borrows
        seed: 3
        data: {kind: two-moons, count: 77, held_out: 200, noise: 1}
        coordinates: [standardise]
        process: {kind: vp}
        score: {kind: checkpoint, path: a/checkpoint.safetensors}
        sampling: {count: 40, solvers: [{name: em, kind: euler-maruyama, steps: 10}]}
        evaluation: {metrics: []}
        """
      let path = folder + "/borrows.yaml"
      _ = try makeExperiment(try plan(text, path: path), folder: folder + "/b").run()
      #expect(contents(folder + "/b/samples/em.csv") == contents(folder + "/a/samples/em.csv"))
      #expect(!contents(folder + "/b/samples/em.csv").isEmpty)
      let without = makeExperiment(
        try plan(text.replacing("coordinates: [standardise]\n", with: ""), path: path), folder: folder + "/c")
      let error = #expect(throws: InputError.self) { try without.run() }
      #expect(
        error?.message.contains("trained in other coordinates: coordinates: - kind: standardise per: auto; ") == true)
    }
  }

  @Test("coordinates belong to the identity of a training, and none change nothing") func identity() throws {
    let plain = try plan(tiny)
    let empty = try plan(tiny, overrides: ["coordinates=[]"])
    let standardised = try plan(tiny, overrides: ["coordinates=[standardise]"])
    #expect(plain.trainingIdentity == empty.trainingIdentity)
    #expect(plain.trainingIdentity != standardised.trainingIdentity)
    #expect(!plain.resolved.contains("coordinates"))
    #expect(standardised.resolved.contains("coordinates:\n  - kind: standardise\n    per: auto\n"))
  }

  @Test(
    "what has no such coordinates is refused in one line",
    arguments: [
      (["coordinates=[dequantise]"], "coordinates", "does not say its levels"),
      (["coordinates=[standardize]"], "coordinates.0.kind", "did you mean 'standardise'?"),
      (["coordinates=standardise"], "coordinates", "is not a list"),
      (["coordinates=[{kind: standardise, by: all}]"], "coordinates.0.by", "unknown key"),
      (["coordinates=[logarithm]"], "score", "kind exact needs data"),
      (["data={kind: checkerboard}"], "score", "kind exact needs data whose law is known"),
      (["data={kind: checkerboard, noise: 0.1}", "coordinates=[]"], "score", "a checkerboard without noise"),
      (["coordinates=[{kind: dequantise, levels: 2.5}]"], "coordinates.0.levels", "whole numbers"),
    ])
  func refusals(_ overrides: [String], _ key: String, _ reason: String) throws {
    let error = #expect(throws: InputError.self) { try plan(Self.far, overrides: overrides) }
    #expect(error?.location.hasSuffix(key) == true, "\(error?.location ?? "")")
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test("rows without a logarithm are refused with their number") func badRows() throws {
    try withFolder { folder in
      let overrides = ["coordinates=[logarithm]", "score={kind: empirical}", "likelihood={}"]
      let error = #expect(throws: InputError.self) {
        try makeExperiment(try plan(Self.far, overrides: overrides), folder: folder + "/r").run()
      }
      #expect(error?.location == "--set coordinates=[logarithm]: coordinates")
      #expect(error?.message.contains("row 1 holds -") == true)
      #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
    }
  }
}
