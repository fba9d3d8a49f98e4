// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// An explicit Runge–Kutta method of the probability flow in t, for every process. A tableau says which:
///
///     RungeKutta(.rk4)
///
/// A tableau with a method inside it gives adaptive steps too.
///
/// NFE a row: one a stage and step; 1 where a step is to be of first order.
public struct RungeKutta: EmbeddedPredictor {
  /// The numbers of the method.
  public let tableau: ButcherTableau

  public var errorOrder: Double { tableau.errorOrder }
  public var hasLowerOrders: Bool { tableau.stages.count > 1 }
  public var embedded: (any EmbeddedPredictor)? { tableau.difference == nil ? nil : self }

  /// The method of a tableau.
  public init(_ tableau: ButcherTableau) { self.tableau = tableau }

  public func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper {
    Stepper(tableau, context)
  }

  final class Stepper: EmbeddedStepper {
    private let tableau: ButcherTableau
    private let nodes: [StepNode]
    /// How many stages the result needs.
    private let used: Int
    private let process: any SDE
    private let evaluator: CountingEvaluator
    private let score, stage: Rows
    /// k_i
    private let slopes: [Rows]
    let next: Rows

    init(_ tableau: ButcherTableau, _ context: SolveContext) {
      self.tableau = tableau
      nodes = tableau.stages.map { StepNode($0.reduce(0, +)) }
      used = (tableau.weights.lastIndex { $0 != 0 } ?? 0) + 1
      process = context.problem.process
      evaluator = context.score
      (score, stage, next) = (context.makeRows(), context.makeRows(), context.makeRows())
      // A method of one stage adds its only slope to the state at once.
      slopes = tableau.stages.count == 1 ? [] : tableau.stages.map { _ in context.makeRows() }
    }

    func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws {
      if slopes.isEmpty {
        try evaluator.evaluate(x, at: .all(step.from), into: score)
        next.copy(x)
        process.addFlow(x, score: score, at: step.from, times: -step.length, to: next)
        lower?.copy(next)
        return
      }
      try findSlope(0, x, at: step.from)
      if step.isFirstOrder {
        next.copy(x)
        ck_add_scaled(next.values, slopes[0].values, -step.length, x.size)
        lower?.copy(next)
        return
      }
      // The last stages of a pair may be for its inner method alone.
      for i in 1..<(lower == nil ? used : slopes.count) {
        stage.set(x, -step.length, tableau.stages[i], slopes)
        try findSlope(i, stage, at: nodes[i].time(in: step))
      }
      next.set(x, -step.length, tableau.weights, slopes)
      if let lower, let difference = tableau.difference { lower.set(next, -step.length, difference, slopes) }
    }

    private func findSlope(_ i: Int, _ x: Rows, at t: Double) throws {
      try evaluator.evaluate(x, at: .all(t), into: score)
      slopes[i].fill(0)
      process.addFlow(x, score: score, at: t, times: 1, to: slopes[i])
    }
  }
}
