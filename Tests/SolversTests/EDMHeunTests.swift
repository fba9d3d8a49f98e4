// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("EDM's Heun sampler") struct EDMHeunTests {
  private static let (mean, deviation) = ([0.7, -1.2], 0.8)

  private func gaussian(_ family: Family) throws -> Sampler {
    sampler(family, try .gaussian(mean: Self.mean, deviation: Self.deviation))
  }

  @Test("it converges with order 2 to a Gaussian's exact flow", arguments: Family.allCases)
  func order(family: Family) throws {
    let sampler = try gaussian(family)
    let kernel = try #require(sampler.problem.kernel)
    let (from, to) = (kernel.moments(at: 1), kernel.moments(at: sampler.problem.epsilon))
    // y − μ stretches as the deviation √(c² + σ̃²) of y = x/m does.
    let stretch = hypot(Self.deviation, to.noiseToSignal) / hypot(Self.deviation, from.noiseToSignal)
    let start = try sampler.prior(100)
    let errors = try [64, 128, 256, 512].map { steps in
      let end = try sampler.draw(
        100, with: FixedSteps(EDMHeun(), steps: steps, grid: KarrasGrid()), denoise: false
      ).batch
      var worst = 0.0
      for i in 0..<100 {
        for j in 0..<2 {
          let y = Self.mean[j] + (start[i, j] / from.scale - Self.mean[j]) * stretch
          worst = max(worst, abs(end[i, j] / to.scale - y))
        }
      }
      return worst
    }
    let orders = zip(errors, errors.dropFirst()).map { log2($0 / $1) }
    // The next term of the error is N⁻³, 2 % of it at 64 steps: 0.05 is allowed.
    #expect(orders.allSatisfy { abs($0 - 2) < 0.05 }, "errors \(errors), orders \(orders)")
    #expect(errors[3] < 1e-3)
  }

  @Test("on a mixture it converges with order 2 to what GSL's eighth order gives", arguments: Family.allCases)
  func mixture(family: Family) throws {
    let sampler = sampler(family, try .pair())
    let flow = ProbabilityFlow(.rk8pd, rtol: 1e-12, atol: 1e-12)
    let exact = try sampler.draw(256, with: flow, denoise: false).batch
    let errors = try [128, 256, 512].map { steps in
      let end = try sampler.draw(
        256, with: FixedSteps(EDMHeun(), steps: steps, grid: KarrasGrid()), denoise: false
      ).batch
      return pairs(end.values, exact.values).map { ($0 - $1) * ($0 - $1) }.mean.squareRoot()
    }
    let orders = zip(errors, errors.dropFirst()).map { log2($0 / $1) }
    #expect(orders.allSatisfy { abs($0 - 2) < 0.05 }, "errors \(errors), orders \(orders)")
    #expect(errors[2] < 1e-3)
  }

  @Test("17 intervals and the denoising are the paper's algorithm 1 in 18 steps, as NumPy does it")
  func fixture() throws {
    let fixture = try HeunFixture.load()
    let process = VESDE(GeometricSigma(fixture.sigmaMin, fixture.sigmaMax))
    let mixture = try GaussianMixture(
      weights: fixture.weights, means: fixture.means, covariances: fixture.covariances)
    let problem = SamplingProblem(
      process: process, score: mixture.score(under: process), dimension: 2, seed: 1, epsilon: 0, grid: KarrasGrid())
    var x = Batch(rows: fixture.start)
    try x.withRows { rows in
      let context = try SolveContext(problem, rows: rows.span)
      #expect(try FixedSteps(EDMHeun(), steps: fixture.points - 1).solve(rows, in: context).accepted == 17)
      try context.denoise(rows, at: 0, step: 18)
      #expect(context.score.evaluations.allSatisfy { $0 == 35 })
    }
    // The times are right to 1e-13, on a state of 80 that shrinks to 1.
    let error = largestError(x, Batch(rows: fixture.end))
    #expect(error < 1e-10, "\(error)")
  }

  @Test("N steps cost 2 N evaluations, and one more for denoising; churn costs none", arguments: [1, 17])
  func cost(steps: Int) throws {
    let sampler = try gaussian(.vp)
    for churn in [EDMHeun.Churn.none, EDMHeun.Churn(10)] {
      let solver = FixedSteps(EDMHeun(churn: churn), steps: steps, lastStep: .full)
      for denoise in [false, true] {
        let statistics = try sampler.draw(300, with: solver, denoise: denoise).statistics
        #expect(statistics.nfeMax == 2 * steps + (denoise ? 1 : 0))
        #expect(statistics.accepted == Double(steps) && solver.steps == steps)
      }
    }
  }

  /// 100 over 20 steps asks for γ = 5, which is cut to √2 − 1.
  @Test("algorithm 2 on a Gaussian is a linear recursion in y and z", arguments: Family.allCases, [8.0, 100])
  func churn(family: Family, amount: Double) throws {
    let sampler = try gaussian(family)
    let kernel = try #require(sampler.problem.kernel)
    let (steps, churn) = (20, EDMHeun.Churn(amount, from: 0.05, to: 5, noise: 1.003))
    let samples = try sampler.draw(
      30, with: FixedSteps(EDMHeun(churn: churn), steps: steps, grid: KarrasGrid()), denoise: false)
    let times = try sampler.problem.setting.times(steps: steps, grid: KarrasGrid())
    let levels = times.map { kernel.moments(at: $0).noiseToSignal }
    var expected = try sampler.prior(30)
    let stream = NoiseStream(seed: sampler.problem.seed, purpose: .churn)
    let c2 = Self.deviation * Self.deviation
    func denoised(_ y: Double, _ s: Double, _ j: Int) -> Double {
      Self.mean[j] + c2 / (c2 + s * s) * (y - Self.mean[j])
    }
    let noise = (0..<steps).map { stream.normals(count: 30, dimension: 2, step: $0) }
    for i in 0..<30 {
      for j in 0..<2 {
        var y = expected[i, j] / kernel.moments(at: 1).scale
        for k in 0..<steps {
          let s = levels[k]
          let rate = (0.05...5).contains(s) ? min(amount / 20, 2.0.squareRoot() - 1) : 0
          let raised = (1 + rate) * s
          y += (raised * raised - s * s).squareRoot() * 1.003 * noise[k][i, j]
          let d = (y - denoised(y, raised, j)) / raised
          let end = y + (levels[k + 1] - raised) * d
          let after = (end - denoised(end, levels[k + 1], j)) / levels[k + 1]
          y += (levels[k + 1] - raised) * (d + after) / 2
        }
        expected[i, j] = y * kernel.moments(at: sampler.problem.epsilon).scale
      }
    }
    // The inverse's 1e-13 on the raised levels, times a state of up to σ̃(T) = 150.
    let error = largestError(samples.batch, expected)
    #expect(error < 1e-10, "\(error)")
  }

  @Test("with churn at every level the samples have the mixture's mean and covariance", arguments: Family.allCases)
  func law(family: Family) throws {
    let mixture = try GaussianMixture.pair()
    let count = 20_000
    let sampler = sampler(family, mixture, seed: 4)
    let batch = try sampler.draw(
      count, with: FixedSteps(EDMHeun(churn: .init(40)), steps: 200, grid: KarrasGrid())
    ).batch
    let covariance = mixture.covariance
    for j in 0..<2 {
      let values = batch.column(j)
      // 4 standard errors, where a squared deviation's variance is at most 2 V² (these mixtures have thin tails), and 1
      // % for the step error and for the prior's distance from p_T.
      let variance = covariance[j][j]
      #expect(abs(values.mean - mixture.mean[j]) < 4 * (variance / Double(count)).squareRoot() + 0.01)
      #expect(abs(values.variance / variance - 1) < 4 * (2 / Double(count)).squareRoot() + 0.01)
    }
  }

  @Test("from σ = 0 there is no score: the last step is Euler's, and lands on the denoised point") func toZero() throws
  {
    let process = VPSDE()
    let score = try GaussianMixture.gaussian(mean: Self.mean, deviation: Self.deviation).score(under: process)
    func draw(_ epsilon: Double) throws -> Samples {
      try Sampler(process: process, score: score, dimension: 2, seed: 1, epsilon: epsilon)
        .draw(20, with: FixedSteps(EDMHeun(), steps: 40, grid: KarrasGrid()), denoise: false)
    }
    let (exact, near) = (try draw(0), try draw(1e-9))
    #expect(exact.statistics.nfeMax == 79 && near.statistics.nfeMax == 80)
    #expect(largestError(exact.batch, near.batch) < 0.01)
  }
}

/// heun.json
struct HeunFixture: Decodable, Sendable {
  let weights: [Double]
  let means: [[Double]]
  let covariances: [[[Double]]]
  let points: Int
  let sigmaMin, sigmaMax: Double
  let times: [Double]
  let start, end: [[Double]]

  static func load() throws -> HeunFixture {
    let url = try #require(Bundle.module.url(forResource: "heun", withExtension: "json", subdirectory: "Fixtures"))
    return try JSONDecoder().decode(HeunFixture.self, from: Data(contentsOf: url))
  }
}
