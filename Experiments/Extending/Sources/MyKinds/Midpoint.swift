// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A predictor written by hand, where a tableau does not do: half a step along the probability flow, and from where one
/// was a whole step with the field found there. Order 2.
///
/// It asks nothing of the process but its flow, so it works for every process, and knows no score but through
/// `context.score`, which counts. What it `requires` (default: nothing) is checked before anything is computed.
struct Midpoint: Predictor {
  func makeStepper(in context: SolveContext) throws -> any PredictorStepper { Stepper(context) }

  /// One for each shard of rows: memory is made here, and none in a step.
  final class Stepper: PredictorStepper {
    private let process: any SDE
    private let evaluator: CountingEvaluator
    private let score, middle, next: Rows

    init(_ context: SolveContext) {
      process = context.problem.process
      evaluator = context.score
      (score, middle, next) = (context.makeRows(), context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      let half = step.from - 0.5 * step.length
      try evaluator.evaluate(x, at: .all(step.from), into: score)
      middle.copy(x)
      process.addFlow(x, score: score, at: step.from, times: -0.5 * step.length, to: middle)
      try evaluator.evaluate(middle, at: .all(half), into: score)
      next.copy(x)
      process.addFlow(middle, score: score, at: half, times: -step.length, to: next)
      x.copy(next)
    }
  }
}

extension Kind<any Predictor> {
  static let midpoint = Kind("midpoint", "the midpoint rule for the probability flow in t") { _, _ in Midpoint() }
}
