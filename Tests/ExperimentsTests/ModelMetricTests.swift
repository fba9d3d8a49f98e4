// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Figures of the model") struct ModelMetricTests {
  /// One Gaussian under a process that ends long before its prior: the model's law is another Gaussian.
  private static let short = """
    name: short
    data: {kind: gaussian-mixture, weights: [1], means: [[0.5]], deviations: [0.4], count: 10, held_out: 2000}
    process: {kind: vp, beta_min: 0.1, beta_max: 4}
    score: {kind: exact}
    sampling: {count: 0, solvers: []}
    likelihood: {epsilon: 0.00001, rtol: 1.0e-7, atol: 1.0e-7}
    """

  private func figures(_ text: String, _ metrics: String) throws -> [String: [String: String]] {
    try withFolder { folder in
      _ = try makeExperiment(
        try plan(text, overrides: ["evaluation.metrics=\(metrics)"]), folder: folder
      ).run()
      return Dictionary(uniqueKeysWithValues: rows(folder + "/evaluation.csv").map { ($0["metric"] ?? "", $0) })
    }
  }

  private func number(_ row: [String: String]?, _ key: String) throws -> Double {
    try #require(Double(row?[key] ?? ""))
  }

  @Test("the KL divergence of a wrong prior is that of the two Gaussians") func divergence() throws {
    let found = try figures(Self.short, "[{kind: kl, rows: 2000}, {kind: nll, rows: 2000}]")
    // m(T) = exp(−¼ (β_min + β_max)), S² = m² s² + 1 − m². The flow is affine: from N(0, 1) it ends at mean
    // μ − s m μ/S and deviation s/S.
    let m = exp(-0.25 * (0.1 + 4))
    let total = (m * m * 0.16 + 1 - m * m).squareRoot()
    let (mean, deviation) = (0.5 - 0.4 * m * 0.5 / total, 0.4 / total)
    let expected = log(deviation / 0.4) + (0.16 + (0.5 - mean) * (0.5 - mean)) / (2 * deviation * deviation) - 0.5
    let (value, low, high) = (
      try number(found["kl"], "value"), try number(found["kl"], "low"), try number(found["kl"], "high")
    )
    // An interval is two errors to each side; four of them are a chance of 6 in 100,000.
    #expect(abs(value - expected) < (high - low) && low > 0, "\(value) \(expected)")
    #expect(expected > 5 * 1e-3)
    // −E ln q = KL + the law's entropy, which stands beside it, on the same rows.
    let (nll, entropy) = (try number(found["nll"], "value"), try number(found["nll"], "data"))
    #expect(abs(nll - entropy - value) < 1e-12)
    #expect(abs(entropy - (0.5 * log(2 * Double.pi * 0.16) + 0.5)) < 4 * 0.5.squareRoot() / 2000.0.squareRoot())
    #expect(found["nll"]?["held_out"] == "2000" && found["nll"]?["count"] == "2000" && found["nll"]?["solver"] == "")
  }

  @Test("under an exact score and a prior that is reached, the divergence is 0 and the score has no error")
  func exact() throws {
    let text = Self.short.replacing("beta_max: 4", with: "beta_max: 20").replacing("[[0.5]]", with: "[[0.1]]")
    let found = try figures(text, "[kl, score-error]")
    // m(T) = 0.0066: the model's mean and deviation are off by 0.0007 deviations and 2e-5; the flow by its tolerance.
    #expect(abs(try number(found["kl"], "value")) < 1e-4)
    #expect(try number(found["score_error"], "value") < 1e-20)
    #expect(found["kl"]?["count"] == "1000" && found["kl"]?["better"] == "lower")
  }

  @Test("bits per dimension are those that `likelihood` writes") func bits() throws {
    let text =
      tiny + "\nlikelihood: {levels: 9, low: -3, high: 3, rtol: 1.0e-3, atol: 1.0e-3}\n"
      + "evaluation: {metrics: [bits-per-dimension, nll]}\n"
    try withFolder { folder in
      let experiment = makeExperiment(try plan(text), folder: folder + "/r", store: folder + "/m")
      _ = try experiment.run()
      _ = try experiment.logDensities(of: PointFiles(input: nil, output: folder + "/l.csv"))
      let points = rows(folder + "/l.csv")
      let found = rows(folder + "/r/evaluation.csv").filter { $0["solver"] == "" }
      #expect(found.map { $0["metric"] } == ["bits_per_dimension", "nll"])
      func mean(_ key: String) -> Double {
        points.reduce(0) { $0 + (Double($1[key] ?? "") ?? .nan) } / Double(points.count)
      }
      #expect(points.count == 200)
      #expect(abs(try number(found[0], "value") - mean("bits_per_dimension")) < 1e-12)
      #expect(abs(try number(found[1], "value") + mean("log_density")) < 1e-12)
      #expect(try number(found[0], "low") < number(found[0], "value"))
    }
  }

  @Test("the study of coverage finds the closed form of a divergence, and intervals that hold it") func study() throws {
    // As in `divergence`, with its own numbers: the expected value of the study must be the KL divergence of two normal
    // laws.
    let problem = ModelCoverageStudy.Problem(
      "normal",
      config: "data: {kind: gaussian-mixture, weights: [1], means: [[0.5]], deviations: [0.4]}\n"
        + "process: {kind: vp, beta_max: 4}\nscore: {kind: exact}\n", metrics: ["kl", "bits-per-dimension"])
    let study = ModelCoverageStudy(repeats: 200, rows: 100)
    let results = try study.run(problem)
    try #require(results.map(\.metric) == ["kl", "bits-per-dimension"])
    let m = exp(-0.25 * (0.1 + 4))
    let total = (m * m * 0.16 + 1 - m * m).squareRoot()
    let (mean, deviation) = (0.5 - 0.4 * m * 0.5 / total, 0.4 / total)
    let expected = log(deviation / 0.4) + (0.16 + (0.5 - mean) * (0.5 - mean)) / (2 * deviation * deviation) - 0.5
    // The flow's tolerance of 10⁻³ is worth 10⁻³ here, a twentieth of the divergence.
    #expect(abs(results[0].expected - expected) < 4 * results[0].standardError + 1e-3, "\(results[0]) \(expected)")
    for result in results {
      // A coverage of 95 % has a deviation of 1.5 % over 200 repeats; three of them.
      #expect(result.coverage > 0.905 && result.coverage < 0.995, "\(result)")
      #expect(result.repeats == 200 && result.count == 100 && result.relativeLength > 0.85)
    }
    #expect(try study.run(problem, only: ["kl"]) == [results[0]])
    let alone = ModelCoverageStudy(repeats: 200, rows: 100, threads: 1)
    #expect(try alone.run(problem, only: ["kl"]) == [results[0]], "the same for any number of threads")
  }
}
