// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// The classical Runge–Kutta step of order 4 (Kutta 1901) of the probability flow in t, for every process.
///
/// NFE a row: 4 a step.
public struct RungeKutta4: Predictor {
  public init() {}

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { Stepper(context) }

  final class Stepper: PredictorStepper {
    private let process: any SDE
    private let evaluator: CountingEvaluator
    private let score, slope, stage, next: Rows

    init(_ context: SolveContext) {
      process = context.problem.process
      evaluator = context.score
      (score, slope) = (context.makeRows(), context.makeRows())
      (stage, next) = (context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      let (t, h) = (step.from, step.length)
      try findSlope(x, at: t)
      if step.isFirstOrder { return ck_add_scaled(x.values, slope.values, -h, x.size) }
      ck_combine(next.values, 1, x.values, -h / 6, slope.values, x.size)
      try addStage(x, share: 0.5, at: t - 0.5 * h, weight: 1.0 / 3, h)
      try addStage(x, share: 0.5, at: t - 0.5 * h, weight: 1.0 / 3, h)
      try addStage(x, share: 1, at: step.to, weight: 1.0 / 6, h)
      x.copy(next)
    }

    /// Goes a share of the step along the last slope, and adds the slope found there.
    private func addStage(_ x: Rows, share: Double, at t: Double, weight: Double, _ h: Double) throws {
      ck_combine(stage.values, 1, x.values, -share * h, slope.values, x.size)
      try findSlope(stage, at: t)
      ck_add_scaled(next.values, slope.values, -weight * h, x.size)
    }

    private func findSlope(_ x: Rows, at t: Double) throws {
      try evaluator.evaluate(x, at: .all(t), into: score)
      slope.fill(0)
      process.addFlow(x, score: score, at: t, times: 1, to: slope)
    }
  }
}
