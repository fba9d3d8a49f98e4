// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// x_s = x_t − h (f − ∇·(G Gᵀ) − G Gᵀ s)(x_t, t) + G(x_t, t) √h z with h = t − s: the Euler–Maruyama step of the
/// reverse SDE, for every process. Strong order 1 where G does not depend on x, weak order 1.
///
/// The step is the actual spacing of the grid.
public struct EulerMaruyama: Predictor {
  /// The method has no parameters.
  public init() {}

  public var limit: Limit { .path }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { Stepper(context) }

  final class Stepper: PredictorStepper {
    private let process: any SDE
    private let evaluator: CountingEvaluator
    private let walker: any BrownianWalker
    private let score, noise, next: Rows

    init(_ context: SolveContext) {
      process = context.problem.process
      evaluator = context.score
      walker = context.path.makeWalker(for: context.span)
      score = context.makeRows()
      noise = context.makeRows()
      next = context.makeRows()
    }

    func step(_ x: Rows, _ step: Step) throws {
      let (t, s) = (step.from, step.to)
      try evaluator.evaluate(x, at: .all(t), into: score)
      walker.increment(from: t, to: s, step: step.index, into: noise)
      next.copy(x)
      process.addReverseDrift(x, score: score, at: t, times: s - t, to: next)
      process.addNoise(noise, x, at: t, times: (t - s).squareRoot(), to: next)
      x.copy(next)
    }
  }
}
