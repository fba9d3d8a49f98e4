// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Solvers
import Testing

@Suite("Metropolis-adjusted and annealed Langevin") struct CorrectorTests {
  /// Rows of pₜ after many corrector steps at t.
  private func corrected(_ corrector: any Corrector, count: Int, at t: Double) throws -> (Batch, GaussianMixture) {
    let mixture = try GaussianMixture.pair()
    let sampler = sampler(.vp, mixture)
    let kernel = try #require(sampler.problem.kernel)
    let moments = kernel.moments(at: t)
    // Exact draws of p_t.
    var batch = mixture.draw(count, from: NoiseStream(seed: 8, purpose: .data))
    let noise = NoiseStream(seed: 8, purpose: .lossNoise).normals(count: count, dimension: 2)
    for i in batch.values.indices {
      batch.values[i] = moments.scale * batch.values[i] + moments.deviation * noise.values[i]
    }
    try batch.forEachShard(threads: 2) { x in
      let context = try SolveContext(sampler.problem, rows: x.span)
      let stepper = try corrector.makeStepper(in: context)
      for index in 0..<50 { try stepper.correct(x, Step(from: t, to: 0.1, index: index, count: 50)) }
    }
    return (batch, mixture)
  }

  @Test("Metropolis–Hastings leaves p_t unchanged at a step size where the unadjusted step does not") func stationary()
    throws
  {
    let (count, t, snr) = (20_000, 0.3, 0.7)
    let moments = VPSDE().makeKernel().moments(at: t)
    for (corrector, isExact) in [
      (MetropolisLangevin(snr: snr, steps: 2), true), (Langevin(snr: snr, steps: 2), false),
    ] as [(any Corrector, Bool)] {
      let (batch, mixture) = try corrected(corrector, count: count, at: t)
      var worst = 0.0
      for j in 0..<2 {
        let variance = moments.scale * moments.scale * mixture.covariance[j][j] + moments.variance
        worst = max(worst, abs(batch.column(j).variance / variance - 1) / (2 / Double(count)).squareRoot())
      }
      // In standard errors of a variance.
      if isExact { #expect(worst < 4, "\(worst)") } else { #expect(worst > 10, "\(worst)") }
    }
  }

  @Test("proposals are accepted row by row, and cost 1 + steps evaluations") func acceptance() throws {
    let sampler = sampler(.vp, try .pair())
    let start = try sampler.prior(256)
    var batch = start
    try batch.withRows { x in
      let context = try SolveContext(sampler.problem, rows: x.span)
      try MetropolisLangevin(snr: 0.9, steps: 1).makeStepper(in: context).correct(
        x, Step(from: 0.5, to: 0.4, index: 0, count: 1))
      #expect(context.score.evaluations.allSatisfy { $0 == 2 })
    }
    let moved = (0..<256).filter { start.row($0) != batch.row($0) }.count
    // At this size some are refused and some accepted.
    #expect(moved > 20 && moved < 250, "\(moved)")
    #expect(throws: InputError.self) {
      let learned = Sampler(process: VPSDE(), score: FormulaScore { -$0 }, dimension: 1, seed: 1)
      _ = try learned.draw(10, with: FixedSteps(EulerMaruyama(), corrector: MetropolisLangevin(), steps: 2))
    }
  }

  @Test("annealed Langevin dynamics reaches the data's moments", arguments: Family.allCases) func annealed(
    family: Family
  )
    throws
  {
    // One Gaussian, so that mixing between components is not asked for.
    let (mean, deviation, count) = ([0.7, -1.2], 0.8, 4000)
    let process = family.process
    let sampler = Sampler(
      process: process, score: try GaussianMixture.gaussian(mean: mean, deviation: deviation).score(under: process),
      dimension: 2, seed: 3, epsilon: family == .ve ? 0.2 : 0.01)
    let solver = AnnealedLangevin(levels: 40, stepsPerLevel: 200, stepSize: 0.1, grid: LogSignalToNoiseGrid())
    let result = try sampler.draw(count, with: solver)
    #expect(result.statistics.nfe == 8001)
    for j in 0..<2 {
      let column = result.batch.column(j)
      // Four standard errors, and the dynamics' own bias: unfinished forgetting of the level before, and α/(4V) of the
      // variance at the last levels, together a few per cent.
      #expect(abs(column.mean - mean[j]) < 4 * deviation / Double(count).squareRoot() + 0.03)
      #expect(abs(column.variance / (deviation * deviation) - 1) < 4 * (2 / Double(count)).squareRoot() + 0.05)
    }
  }
}
