// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Processes
import Scores
import Solvers
import Testing

/// A flow map that is known, of N(μ, d² I): X_{t→s}(x) = m_s μ + r (1 + c (ln σ̃_t − ln σ̃_s)) (x − m_t μ) with
/// r² = (m_s² d² + v_s)/(m_t² d² + v_t). It is the flow's own where c = 0.
private struct KnownMapScore: Score {
  let base: any Score
  let error: Double
  let range: FlowMapRange
  static let mean = [0.8, -0.4]
  static let deviation = 0.5

  var traits: ScoreTraits { base.traits }
  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { try base.makeEvaluator(for: rows) }
  var flowMap: (any FlowMap)? { Map(score: self) }

  static func ratio(_ a: Moments, _ b: Moments) -> Double {
    let d2 = deviation * deviation
    return ((b.scale * b.scale * d2 + b.variance) / (a.scale * a.scale * d2 + a.variance)).squareRoot()
  }

  struct Map: FlowMap {
    let score: KnownMapScore
    var range: FlowMapRange { score.range }
    func makeEvaluator(for rows: RowSpan) throws -> any FlowMapEvaluator { Evaluator(score.error) }
  }

  final class Evaluator: FlowMapEvaluator {
    let error: Double
    let kernel = VPSDE().makeKernel()
    init(_ error: Double) { self.error = error }
    func map(_ x: Rows, from t: Double, to s: Double, into y: Rows) throws {
      let (a, b) = (kernel.moments(at: t), kernel.moments(at: s))
      let factor = ratio(a, b) * (1 + error * log(a.noiseToSignal / b.noiseToSignal))
      for i in 0..<x.count {
        for j in 0..<2 { y[i, j] = b.scale * mean[j] + factor * (x[i, j] - a.scale * mean[j]) }
      }
    }
  }
}

private struct KnownMapRecipe: ScoreRecipe {
  let error: Double
  let anyTime: Bool

  func map(in catalogue: Catalogue) -> FlowMapRange? {
    FlowMapRange(end: 1e-3, reachesAnyTime: anyTime, isScore: true)
  }
  func resolve(in setting: ScoreSetting) throws -> ScoreSource {
    let exact = try ExactScoreRecipe().resolve(in: setting).score(given: .nothing)
    return ScoreSource(
      KnownMapScore(
        base: exact, error: error, range: FlowMapRange(end: 1e-3, reachesAnyTime: anyTime, isScore: true)))
  }
}

@Suite("Errors of maps as maps") struct MapConsistencyTests {
  private static var catalogue: Catalogue {
    var catalogue = Catalogue.standard
    catalogue.scores.add(
      Kind("known-map", "of a Gaussian") { options, _ in
        KnownMapRecipe(
          error: try options.number("error", default: 0, "c"),
          anyTime: try options.flag("any_time", default: true, "whether it maps between any two times"))
      })
    return catalogue
  }

  private static let text = """
    name: known
    seed: 3
    data: {kind: gaussian-mixture, weights: [1], means: [[0.8, -0.4]], deviations: [0.5], count: 100, held_out: 50}
    process: {kind: vp}
    score: {kind: known-map}
    sampling:
      count: 1200
      solvers:
        - {name: one, kind: flow-map}
        - {name: noisy, kind: consistency, steps: 2}
        - {name: ode, kind: ddim, steps: 5}
    evaluation: {metrics: []}
    """

  private func columns(_ changes: [String]) throws -> [String: [String: String]] {
    try withFolder { folder in
      let plan = try ExperimentPlan(
        ConfigSource(text: Self.text, path: "k.yaml", overrides: changes), catalogue: Self.catalogue)
      _ = try makeExperiment(plan, catalogue: Self.catalogue, folder: folder).run()
      let lines = contents(folder + "/solvers.csv").split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      var found: [String: [String: String]] = [:]
      for line in lines.dropFirst() {
        found[line[2]] = Dictionary(uniqueKeysWithValues: zip(lines[0], line))
      }
      return found
    }
  }

  @Test("the flow's own map has none, to rounding and the flow's tolerance") func exact() throws {
    let found = try columns([])
    for solver in ["one", "noisy"] {
      for name in ["consistency_error", "semigroup_error"] {
        let value = Double(found[solver]?[name] ?? "") ?? .nan
        // Maps are exact to rounding; ways are solved to 1e-10 a step, which some hundred steps add up.
        #expect(value < 1e-8, "\(solver) \(name) \(value)")
      }
    }
    // A solver of the score has no such errors, and one that adds noise no map_error.
    #expect(found["ode"]?["consistency_error"] == "" && found["ode"]?["semigroup_error"] == "")
    #expect(found["ode"]?["map_error"] != "" && found["noisy"]?["map_error"] == "")
    let oneTime = try columns(["score.any_time=false"])
    #expect(oneTime["one"]?["semigroup_error"] == nil)
    #expect((Double(oneTime["one"]?["consistency_error"] ?? "") ?? .nan) < 1e-8)
  }

  @Test("of a map that is off they are what is computed by hand") func off() throws {
    let c = 0.02
    let found = try columns(["score.error=\(c)"])
    let kernel = VPSDE().makeKernel()
    let law = DataLaw(try GaussianMixture(weights: [1], means: [KnownMapScore.mean], deviations: [0.5]))
    let prepared = PreparedProcess(VPSDE())
    let sampler = Sampler(
      process: prepared, score: try #require(prepared.exactScore(of: law)), dimension: 2, seed: 3)
    // 1,024 of the 1,200 draws are compared.
    let prior = try sampler.prior(1024)
    let (start, end) = (kernel.moments(at: 1), kernel.moments(at: 1e-3))
    let h = log(start.noiseToSignal / end.noiseToSignal) / 4
    let times = (0...4).map { k in
      kernel.time(ofNoiseToSignal: start.noiseToSignal * exp(-h * Double(k)), from: 1e-3, to: 1)
    }
    /// The mean of ‖x_t − m μ‖² on exact ways at the k-th time.
    func square(_ k: Int) -> Double {
      let ratio = KnownMapScore.ratio(start, kernel.moments(at: times[k]))
      var sum = 0.0
      for row in 0..<1024 {
        for j in 0..<2 { sum += pow(ratio * (prior[row, j] - start.scale * KnownMapScore.mean[j]), 2) }
      }
      return sum / 1024
    }
    // Ends of the k-th time are off by the factor 1 + c (4 − k) h: pairs differ by c h, 2 c h and 3 c h.
    let consistency = (c * h) * (c * h) * (3 * 1 + 2 * 4 + 1 * 9) / 6 * square(4)
    var semigroup = 0.0
    for i in 0..<4 {
      for j in i + 1..<4 {
        for k in j + 1...4 {
          // (1 + c a)(1 + c b) − (1 + c (a + b)) = c² a b
          semigroup += pow(c * c * Double(j - i) * h * Double(k - j) * h, 2) * square(k) / 10
        }
      }
    }
    for solver in ["one", "noisy"] {
      // The flow's tolerance, and rounding.
      let values = [("consistency_error", consistency), ("semigroup_error", semigroup)]
      for (name, expected) in values {
        let value = Double(found[solver]?[name] ?? "") ?? .nan
        #expect(abs(value / expected.squareRoot() - 1) < 1e-6, "\(name): \(value), \(expected.squareRoot())")
        let low = Double(found[solver]?[name + "_low"] ?? "") ?? .nan
        #expect(low < value && low > 0.5 * value)
      }
    }
  }
}
