// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// x ← x + ε s(x, t) + √(2ε) z: unadjusted Langevin dynamics (Song et al. 2021, algorithms 4 and 5).
///
/// On a Gaussian of variance V the stationary variance of such a step is V / (1 − ε/(2V)), so where V = σ_t² and
/// ε = 2 (snr · σ_t)² it is inflated by 1/(1 − snr²): 2.6 % at 0.16.
public struct Langevin: Corrector {
  /// How the step size ε is chosen.
  public enum Rule: String, Sendable, CaseIterable {
    /// ε = 2 (snr · σ_t)². It depends on the time alone, so that a row never depends on its neighbours.
    case time
    /// ε = 2 r² (snr · mean‖z‖ / mean‖s‖)² with means over the block of 256 rows and the transition's r: the
    /// literature's rule (there over the whole batch).
    case batchMean = "batch-mean"
  }

  /// The signal-to-noise ratio r, which sets ε.
  public let snr: Double
  /// How many steps are taken before each step of the predictor.
  public let steps: Int
  /// How ε follows from the signal-to-noise ratio.
  public let rule: Rule

  public var requires: Requirements { .kernel }

  /// - Parameters:
  ///   - snr: the signal-to-noise ratio, 0 < snr < 1; 0.16 in the literature for CIFAR-10.
  ///   - steps: corrector steps per predictor step, at least 1.
  ///   - rule: how the step length follows from `snr`.
  public init(snr: Double = 0.16, steps: Int = 1, rule: Rule = .time) {
    precondition(snr > 0 && snr < 1 && steps > 0, "0 < snr < 1, steps ≥ 1")
    self.snr = snr
    self.steps = steps
    self.rule = rule
  }

  public func makeStepper(in context: SolveContext) throws -> any CorrectorStepper { try Stepper(self, context) }

  final class Stepper: CorrectorStepper {
    private let langevin: Langevin
    private let kernel: any PerturbationKernel
    private let evaluator: CountingEvaluator
    private let stream: NoiseStream
    private let score, noise: Rows

    init(_ langevin: Langevin, _ context: SolveContext) throws {
      self.langevin = langevin
      kernel = try context.problem.requireKernel(for: "langevin")
      evaluator = context.score
      stream = NoiseStream(seed: context.problem.seed, purpose: .corrector)
      score = context.makeRows()
      noise = context.makeRows()
    }

    func correct(_ x: Rows, _ step: Step) throws {
      let (t, s) = (step.from, step.to)
      for k in 0..<langevin.steps {
        try evaluator.evaluate(x, at: .all(t), into: score)
        stream.normals(into: noise, step: step.index * langevin.steps + k)
        let size = stepSize(at: t, before: s)
        ck_combine3(x.values, 1, x.values, size, score.values, (2 * size).squareRoot(), noise.values, x.size)
      }
    }

    private func stepSize(at t: Double, before s: Double) -> Double {
      let moments = kernel.moments(at: t)
      switch langevin.rule {
      case .time:
        return 2 * langevin.snr * langevin.snr * moments.variance
      case .batchMean:
        let (r, _) = kernel.moments(at: s).transition(to: moments)
        let noiseNorm = ck_mean_norm(noise.values, noise.count, noise.dimension)
        let scoreNorm = ck_mean_norm(score.values, score.count, score.dimension)
        let ratio = langevin.snr * noiseNorm / scoreNorm
        return 2 * r * r * ratio * ratio
      }
    }
  }
}
