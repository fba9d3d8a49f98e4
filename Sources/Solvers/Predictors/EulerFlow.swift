// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// x_s = x_t − h (f − ½ ∇·(G Gᵀ) − ½ G Gᵀ s)(x_t, t), h = t − s: Euler's step of the probability flow in t, for every
/// process. Order 1.
///
/// NFE a row: 1 a step.
public struct EulerFlow: Predictor {
  public init() {}

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { Stepper(context) }

  final class Stepper: PredictorStepper {
    private let process: any SDE
    private let evaluator: CountingEvaluator
    private let score, next: Rows

    init(_ context: SolveContext) {
      process = context.problem.process
      evaluator = context.score
      (score, next) = (context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      try evaluator.evaluate(x, at: .all(step.from), into: score)
      next.copy(x)
      process.addFlow(x, score: score, at: step.from, times: -step.length, to: next)
      x.copy(next)
    }
  }
}
