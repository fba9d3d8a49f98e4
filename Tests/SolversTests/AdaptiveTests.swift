// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Adaptive steps") struct AdaptiveTests {
  private static let methods: [(name: String, method: any EmbeddedPredictor)] = [
    ("stochastic-heun", AdditiveRungeKutta(.heun)), ("sra1", AdditiveRungeKutta(.sra1)),
    ("shark", AdditiveRungeKutta(.shark)),
    ("bogacki-shampine", RungeKutta(.bogackiShampine)), ("heun", EDMHeun()), ("dpm-solver-2", DPMSolver(order: 2)),
    ("dpm-solver-3", DPMSolver(order: 3)),
  ]

  /// Exact ends on the Brownian path that adaptive solvers take, or of the flow.
  private func exact(_ sampler: Sampler, isStochastic: Bool) throws -> Batch {
    if !isStochastic {
      return try sampler.draw(512, with: ProbabilityFlow(.rk8pd, rtol: 1e-11, atol: 1e-11), denoise: false).batch
    }
    let path = CoupledPath(seed: 1, duration: 1, depth: CoupledPath.depthOfAnySteps)
    let coupled = Sampler(
      process: sampler.problem.process, score: sampler.problem.score, dimension: 2, seed: 1, path: path)
    return try coupled.draw(512, with: FixedSteps(AdditiveRungeKutta(.shark), steps: 4000), denoise: false).batch
  }

  private func error(_ a: Batch, _ b: Batch) -> Double {
    // The median over rows: a row near the border between components may end at the other one.
    (0..<a.count).map { hypot(a[$0, 0] - b[$0, 0], a[$0, 1] - b[$0, 1]) }.sorted()[a.count / 2]
  }

  @Test("a tighter tolerance takes more steps and comes nearer to the exact path", arguments: methods.indices)
  func tolerance(index: Int) throws {
    let (name, method) = Self.methods[index]
    let sampler = sampler(.vp, try .pair())
    let exact = try exact(sampler, isStochastic: method.isStochastic)
    let results = try [1e-1, 1e-2, 1e-3].map { tolerance in
      try sampler.draw(512, with: Adaptive(method, rtol: tolerance, atol: tolerance), denoise: false)
    }
    let errors = results.map { error($0.batch, exact) }
    let steps = results.map(\.statistics.accepted)
    #expect(errors[1] < 0.7 * errors[0] && errors[2] < 0.7 * errors[1], "\(name): \(errors), \(steps)")
    #expect(steps[0] < steps[1] && steps[1] < steps[2], "\(name): \(steps)")
    // Local errors of at most the tolerance, in the worst row of a block: the median row's end is well within 10 of it.
    for (error, tolerance) in pairs(errors, [1e-1, 1e-2, 1e-3]) {
      #expect(error < 10 * tolerance, "\(name): \(errors)")
    }
  }

  @Test("a method offers its error estimate where it has one") func offers() {
    for method in [RungeKutta(.bogackiShampine), AdditiveRungeKutta(.sra1), EDMHeun(), DPMSolver(order: 2)]
      as [any Predictor]
    {
      #expect(method.embedded != nil, "\(method)")
    }
    for method in [RungeKutta(.rk4), RungeKutta(.euler), EDMHeun(churn: .init(1)), DDIM(), EulerMaruyama()]
      as [any Predictor]
    {
      #expect(method.embedded == nil, "\(method)")
    }
  }

  @Test("Jolicoeur-Martineau's solver follows the path that fixed steps follow") func jolicoeurMartineau() throws {
    let sampler = sampler(.vp, try .pair())
    let exact = try exact(sampler, isStochastic: true)
    let coarse = try sampler.draw(512, with: Adaptive.jolicoeurMartineau(rtol: 0.1), denoise: false)
    let fine = try sampler.draw(512, with: Adaptive.jolicoeurMartineau(rtol: 0.001, atol: 0.001), denoise: false)
    #expect(error(fine.batch, exact) < 0.5 * error(coarse.batch, exact))
    #expect(coarse.statistics.accepted < fine.statistics.accepted)
    #expect(coarse.statistics.rejected > 0)
  }

  @Test("rejected steps leave no bias: moments of the mixture within sampling error") func unbiased() throws {
    let mixture = try GaussianMixture.pair()
    let count = 20_000
    let samples = try sampler(.vp, mixture).draw(
      count, with: Adaptive(AdditiveRungeKutta(.shark), rtol: 0.02, atol: 0.02)
    ).batch
    for j in 0..<2 {
      let column = samples.column(j)
      let variance = mixture.covariance[j][j]
      // Four standard errors; the kurtosis of this mixture is below a Gaussian's 3.
      #expect(abs(column.mean - mixture.mean[j]) < 4 * (variance / Double(count)).squareRoot())
      #expect(abs(column.variance - variance) < 4 * variance * (2 / Double(count)).squareRoot())
    }
  }

  @Test("adaptive steps use up their limit, or meet what is not finite, with a word on where") func failures() throws {
    let sampler = sampler(.vp, try .pair())
    let limited = #expect(throws: ComputationError.self) {
      try sampler.draw(100, with: Adaptive(AdditiveRungeKutta(.shark), rtol: 1e-6, atol: 1e-6, maximumSteps: 20))
    }
    guard case .stepLimit(_, 20, let time, _) = limited, time < 1 else {
      Issue.record("\(String(describing: limited))")
      return
    }
    let poisoned = Sampler(
      process: VPSDE(), score: PoisonedScore(base: try GaussianMixture.pair().score(under: VPSDE()), poison: [3: 0.5]),
      dimension: 2, seed: 1)
    let error = #expect(throws: ComputationError.self) {
      try poisoned.draw(10, with: Adaptive(AdditiveRungeKutta(.heun)))
    }
    #expect(error.nonFinite?.row == 3 && (error.nonFinite?.time ?? 1) <= 0.5, "\(String(describing: error))")
  }

  @Test("an error ratio is the largest over rows of the root mean square in units of the tolerance") func ratio() {
    let next: [Double] = [1, 2, -4, 0.5]
    let lower: [Double] = [1.1, 2, -4.2, 0.5]
    let x: [Double] = [0, 0, 0, 0]
    // Row 1: 0.1/(0.1 + 0.01) and 0; row 2: 0.2/(0.1 + 0.04) and 0.
    let sum = errorRatio(next, lower, x, next, atol: 0.1, rtol: 0.01, sum: true)
    #expect(abs(sum - (0.2 / 0.14) / 2.0.squareRoot()) < 1e-12)
    let largest = errorRatio(next, lower, lower, x, atol: 0.01, rtol: 0.1, sum: false)
    // Row 1: 0.1/max(0.01, 0.11); row 2: 0.2/0.42.
    #expect(abs(largest - (0.1 / 0.11) / 2.0.squareRoot()) < 1e-12)
    #expect(errorRatio([.nan, 1, 1, 1], lower, x, next, atol: 1, rtol: 0, sum: true).isNaN)
  }
}
