// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Langevin") struct LangevinTests {
  @Test("many steps on a Gaussian reach V / (1 − ε/(2V))", arguments: Family.allCases, [0.16, 0.3, 0.5])
  func stationaryVariance(family: Family, snr: Double) throws {
    // x' = (1 − ε/V) x + √(2ε) z is autoregressive, with that stationary variance.
    let (count, t, deviation) = (20_000, 0.5, 0.2)
    let sampler = sampler(family, try .gaussian(mean: [0], deviation: deviation), seed: 3)
    let moments = try #require(sampler.problem.kernel).moments(at: t)
    let total = moments.scale * moments.scale * deviation * deviation + moments.variance
    let size = 2 * snr * snr * moments.variance
    // Until (1 − ε/V)^2n, what is left of the start, is below 1e-6.
    let steps = Int((7 / (size / total)).rounded(.up))
    var batch = Batch(count: count, dimension: 1)
    try batch.withRows { rows in
      let context = try SolveContext(sampler.problem, rows: rows.span)
      try Langevin(snr: snr, steps: steps).makeStepper(in: context).correct(
        rows, Step(from: t, to: 0.49, index: 0, count: 1))
      #expect(context.score.evaluations.allSatisfy { $0 == steps })
    }
    let expected = total / (1 - size / (2 * total))
    // A Gaussian's sample variance deviates by V √(2/n); four of that are 4 %, less than the inflation at snr ≥ 0.3.
    #expect(abs(batch.column(0).variance - expected) < 4 * expected * (2 / Double(count)).squareRoot())
  }

  @Test(
    "one step of the batch-mean rule is x + ε s + √(2ε) z, ε = 2 r² (snr mean‖z‖ / mean‖s‖)²",
    arguments: Family.allCases)
  func batchMeanStep(family: Family) throws {
    let sampler = sampler(family, try .gaussian(mean: [0, 0, 0], deviation: 0.5), seed: 4)
    let (snr, t, s) = (0.2, 0.6, 0.59)
    let kernel = try #require(sampler.problem.kernel)
    let (later, earlier) = (kernel.moments(at: t), kernel.moments(at: s))
    let start = NoiseStream(seed: 9, purpose: .data).normals(count: 50, dimension: 3)
    let z = NoiseStream(seed: 4, purpose: .corrector).normals(count: 50, dimension: 3, step: 7)
    // s = −x/V
    let total = later.scale * later.scale * 0.25 + later.variance
    func meanNorm(_ b: Batch) -> Double {
      (0..<b.count).map { b.row($0).reduce(0) { $0 + $1 * $1 }.squareRoot() }.mean
    }
    let r = later.scale / earlier.scale
    let ratio = snr * meanNorm(z) / (meanNorm(start) / total)
    let size = 2 * r * r * ratio * ratio
    let values = pairs(start.values, z.values).map { x, z in x - size * x / total + (2 * size).squareRoot() * z }
    var batch = start
    try batch.withRows { rows in
      let context = try SolveContext(sampler.problem, rows: rows.span)
      try Langevin(snr: snr, rule: .batchMean).makeStepper(in: context).correct(
        rows, Step(from: t, to: s, index: 7, count: 8))
    }
    // Rounding of a dozen operations and of means of 50 norms.
    #expect(largestError(batch, Batch(values: values, dimension: 3)) < 1e-13)
  }

  @Test("the batch-mean rule gives finite samples with nearly the data's moments", arguments: Family.allCases)
  func batchMeanSamples(family: Family) throws {
    let mixture = try GaussianMixture.pair()
    let solver = FixedSteps(
      ReverseDiffusion(), corrector: Langevin(snr: 0.16, steps: 2, rule: .batchMean), steps: 200)
    let batch = try sampler(family, mixture, seed: 6).draw(5_000, with: solver).batch
    #expect(batch.values.allSatisfy { $0.isFinite })
    for j in 0..<2 {
      // Sampling error of a variance from 5,000 rows is 2 %, the corrector's inflation at snr 0.16 about 3 %, and the
      // bias of 200 steps is of that size: together below 15 %.
      #expect(abs(batch.column(j).variance / mixture.covariance[j][j] - 1) < 0.15)
      #expect(abs(batch.column(j).mean - mixture.mean[j]) < 0.1)
    }
  }
}
