// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// A stochastic Runge–Kutta method of the reverse SDE for noise that does not depend on the state. A tableau says
/// which:
///
///     AdditiveRungeKutta(.sra1)
///
/// In τ = T − t the reverse SDE is dx = F(x, τ) dτ + g(τ) dB with F = g² s − f.
///
/// NFE a row: one a stage and step.
public struct AdditiveRungeKutta: EmbeddedPredictor {
  /// The numbers of the method.
  public let tableau: AdditiveTableau

  public var requires: Requirements { .additiveNoise }
  public var limit: Limit { .path }
  public var hasLowerOrders: Bool { true }
  public var errorOrder: Double { tableau.errorOrder }

  /// The method of a tableau.
  public init(_ tableau: AdditiveTableau) { self.tableau = tableau }

  public func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper {
    Stepper(tableau, context)
  }

  final class Stepper: EmbeddedStepper {
    private let tableau: AdditiveTableau
    private let usesArea: Bool
    private let nodes: [StepNode]
    private let process: any SDE
    private let evaluator: CountingEvaluator
    private let walker: any BrownianWalker
    private let score, stage: Rows
    /// x̃
    private let shifted: Rows
    /// h F_i
    private let drifts: [Rows]
    /// ΔB/√h, and H √(12/h).
    private let increment, area: Rows
    let next: Rows

    init(_ tableau: AdditiveTableau, _ context: SolveContext) {
      self.tableau = tableau
      usesArea = tableau.usesArea
      nodes = tableau.stages.map { StepNode($0.drift.reduce(0, +)) }
      process = context.problem.process
      evaluator = context.score
      walker = context.path.makeWalker(for: context.span)
      (score, stage, shifted) = (context.makeRows(), context.makeRows(), context.makeRows())
      drifts = tableau.stages.map { _ in context.makeRows() }
      (increment, area, next) = (context.makeRows(), context.makeRows(), context.makeRows())
    }

    func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws {
      walker.increment(
        from: step.from, to: step.to, step: step.index, into: increment, area: usesArea ? area : nil)
      if !tableau.shift.isEmpty {
        shifted.copy(x)
        addNoise(tableau.shift, x, step, to: shifted)
      }
      for i in drifts.indices {
        if step.isFirstOrder, i > 0, case .difference = tableau.inner {
          drifts[i].copy(drifts[0])
          continue
        }
        let state = state(ofStage: i, x, step)
        if case .stage(i) = tableau.inner {
          lower?.copy(state)
          if step.isFirstOrder { return next.copy(state) }
        }
        try findDrift(i, state, step)
      }
      next.set(x, 1, tableau.weights, drifts)
      addNoise(tableau.noise, x, step, to: next)
      if let lower, case .difference(let difference) = tableau.inner { lower.set(next, 1, difference, drifts) }
    }

    private func state(ofStage i: Int, _ x: Rows, _ step: Step) -> Rows {
      let numbers = tableau.stages[i]
      let isShifted = !tableau.shift.isEmpty
      if i == 0 && numbers.noise.isEmpty { return isShifted ? shifted : x }
      if isShifted { stage.copy(shifted) }
      stage.set(isShifted ? stage : x, 1, numbers.drift, drifts)
      addNoise(numbers.noise, x, step, to: stage)
      return stage
    }

    private func findDrift(_ i: Int, _ x: Rows, _ step: Step) throws {
      let t = nodes[i].time(in: step)
      try evaluator.evaluate(x, at: .all(t), into: score)
      drifts[i].fill(0)
      process.addReverseDrift(x, score: score, at: t, times: -step.length, to: drifts[i])
    }

    /// out += Σ g(t − c h) (p ΔB + q H)
    private func addNoise(_ terms: [AdditiveTableau.Noise], _ x: Rows, _ step: Step, to out: Rows) {
      let root = step.length.squareRoot()
      for term in terms {
        let t = StepNode(term.node).time(in: step)
        if term.increment != 0 { process.addNoise(increment, x, at: t, times: term.increment * root, to: out) }
        if term.area != 0 { process.addNoise(area, x, at: t, times: term.area * root / 12.0.squareRoot(), to: out) }
      }
    }
  }
}
