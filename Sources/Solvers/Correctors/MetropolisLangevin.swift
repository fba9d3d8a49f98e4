// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// The Metropolis-adjusted Langevin algorithm (Roberts and Tweedie 1996): a step x′ = x + ε s(x) + √(2ε) z is accepted,
/// row by row, with probability min(1, p(x′) q(x | x′)/(p(x) q(x′ | x))), where q(x′ | x) = N(x + ε s(x), 2ε). It
/// leaves pₜ exactly unchanged. ε = 2 (snr · σ_t)². Needs a score that knows its log density.
///
/// NFE a row: 1 + steps for each step of the predictor.
public struct MetropolisLangevin: Corrector {
  /// The signal-to-noise ratio, which sets ε.
  public let snr: Double
  /// How many steps are taken before each step of the predictor.
  public let steps: Int

  public var requires: Requirements { [.kernel, .logDensity] }

  /// - Parameters: as those of `Langevin`.
  public init(snr: Double = 0.16, steps: Int = 1) {
    precondition(snr > 0 && snr < 1 && steps > 0, "0 < snr < 1, steps ≥ 1")
    self.snr = snr
    self.steps = steps
  }

  public func makeStepper(in context: SolveContext) throws -> any CorrectorStepper { try Stepper(self, context) }

  final class Stepper: CorrectorStepper {
    private let langevin: MetropolisLangevin
    private let kernel: any PerturbationKernel
    private let evaluator: CountingEvaluator
    private let normals, uniforms: NoiseStream
    private let score, proposal, proposalScore, noise: Rows
    private let chance: RowStorage
    private let density, proposalDensity: RowStorage

    init(_ langevin: MetropolisLangevin, _ context: SolveContext) throws {
      self.langevin = langevin
      kernel = try context.problem.requireKernel(for: "mala")
      evaluator = context.score
      normals = NoiseStream(seed: context.problem.seed, purpose: .corrector)
      uniforms = NoiseStream(seed: context.problem.seed, purpose: .acceptance)
      (score, proposal) = (context.makeRows(), context.makeRows())
      (proposalScore, noise) = (context.makeRows(), context.makeRows())
      let column = context.span.with(dimension: 1)
      (chance, density, proposalDensity) = (RowStorage(column), RowStorage(column), RowStorage(column))
    }

    func correct(_ x: Rows, _ step: Step) throws {
      let t = step.from
      let size = 2 * langevin.snr * langevin.snr * kernel.moments(at: t).variance
      try evaluator.evaluate(x, at: .all(t), into: score)
      try evaluator.logDensity(x, at: .all(t), into: density.rows.values)
      for k in 0..<langevin.steps {
        let draw = step.index * langevin.steps + k
        normals.normals(into: noise, step: draw)
        uniforms.uniforms(into: chance.rows, step: draw)
        ck_combine3(
          proposal.values, 1, x.values, size, score.values, (2 * size).squareRoot(), noise.values, x.size)
        try evaluator.evaluate(proposal, at: .all(t), into: proposalScore)
        try evaluator.logDensity(proposal, at: .all(t), into: proposalDensity.rows.values)
        for row in 0..<x.count { accept(row, x, size) }
      }
    }

    private func accept(_ row: Int, _ x: Rows, _ size: Double) {
      // ln q(x | x′) − ln q(x′ | x) = (‖√(2ε) z‖² − ‖x − x′ − ε s(x′)‖²)/4ε
      var (back, forth) = (0.0, 0.0)
      for j in 0..<x.dimension {
        let b = x[row, j] - proposal[row, j] - size * proposalScore[row, j]
        back += b * b
        forth += 2 * size * noise[row, j] * noise[row, j]
      }
      let (old, new) = (density.rows.values, proposalDensity.rows.values)
      let logRatio = new[row] - old[row] + (forth - back) / (4 * size)
      // A ratio that is not a number refuses.
      guard log(chance.rows.values[row]) < logRatio else { return }
      for j in 0..<x.dimension {
        x[row, j] = proposal[row, j]
        score[row, j] = proposalScore[row, j]
      }
      old[row] = new[row]
    }
  }
}
