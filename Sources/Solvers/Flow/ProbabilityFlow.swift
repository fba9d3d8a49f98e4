// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// The probability-flow ODE  dx/dt = f − ½ ∇·(G Gᵀ) − ½ G Gᵀ s: deterministic, invertible, with the SDE's marginals
/// (Song et al. 2021, eq. 13).
public struct ProbabilityFlow: Solver {
  /// What solves the equation.
  public let integrator: any Integrator
  /// Observers are called at this many equally spaced times after T, by interpolation; 0: at the accepted steps.
  public let dense: Int
  public var steps: Int? { nil }
  public var limit: Limit { .flow }
  public var requires: Requirements { integrator.requires }

  /// The flow solved by an integrator.
  /// - Precondition: `dense` ≥ 0.
  public init(_ integrator: any Integrator, dense: Int = 0) {
    precondition(dense >= 0)
    self.integrator = integrator
    self.dense = dense
  }

  /// The flow through one of GSL's steppers.
  public init(_ method: GSLIntegrator.Method, rtol: Double = 1e-5, atol: Double = 1e-5) {
    self.init(GSLIntegrator(method, rtol: rtol, atol: atol))
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    try transport(x, from: context.problem.setting.start, to: context.problem.epsilon, in: context)
  }

  /// Carries rows along the flow between any two times, in place: ε to T encodes, T to ε decodes.
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - start: the time at which they stand.
  ///   - end: the time to carry them to, before or after `start`.
  ///   - context: that of the shard.
  public func transport(_ x: Rows, from start: Double, to end: Double, in context: SolveContext) throws -> StepCount {
    let field = FlowField(context, rows: x)
    var output: DenseOutput?
    if dense > 0 {
      let times = (0...dense).map { $0 == dense ? end : start + (end - start) * Double($0) / Double(dense) }
      output = DenseOutput(times: times) { index, time, x in context.observe(step: index, at: time, x) }
    } else {
      context.started(at: start, x)
    }
    let observes = dense == 0
    return try withExtendedLifetime(field) {
      try integrator.integrate(x, from: start, to: end, field: field, dense: output) { step, time, x in
        if observes {
          try context.finished(step: step, at: time, x)
        } else {
          try context.finishedUnseen(step: step, at: time, x)
        }
      }
    }
  }
}

/// The flow's field, and its Jacobian where the score's own is known.
package final class FlowField: VectorField {
  private let process: any SDE
  private let evaluator: CountingEvaluator
  private let score: RowStorage
  private let context: SolveContext
  /// Made when a Jacobian is first asked for: rows of one point.
  private var matrix: [RowStorage] = []
  private var vectors: [RowStorage] = []

  package init(_ context: SolveContext, rows x: Rows) {
    self.context = context
    process = context.problem.process
    evaluator = context.score
    score = RowStorage(context.span)
  }

  package func evaluate(_ t: Double, _ x: Rows, into derivative: Rows) throws {
    let score = score.view(like: x)
    try evaluator.evaluate(x, at: .all(t), into: score)
    derivative.fill(0)
    process.addFlow(x, score: score, at: t, times: 1, to: derivative)
  }

  package func jacobian(
    _ t: Double, _ x: Rows, into dfdx: UnsafeMutablePointer<Double>, _ dfdt: UnsafeMutablePointer<Double>
  ) throws {
    let d = x.dimension
    if matrix.isEmpty {
      let one = RowSpan(first: x.first, count: 1, dimension: d)
      matrix = (0..<d).map { _ in RowStorage(one) }
      vectors = (0..<4).map { _ in RowStorage(one) }
    }
    let (unit, column) = (vectors[0].view(like: x), vectors[1].view(like: x))
    let (result, here) = (vectors[2].view(like: x), vectors[3].view(like: x))
    try evaluator.linearise(x, at: .all(t), into: here)
    unit.fill(0)
    // Row i of the score's Jacobian.
    for i in 0..<d {
      unit[0, i] = 1
      try evaluator.pullback(unit, into: matrix[i].view(like: x))
      unit[0, i] = 0
    }
    for j in 0..<d {
      for i in 0..<d { column[0, i] = matrix[i].rows[0, j] }
      unit[0, j] = 1
      result.fill(0)
      process.addFlowDerivative(along: unit, score: here, scoreDerivative: column, x, at: t, times: 1, to: result)
      unit[0, j] = 0
      for i in 0..<d { dfdx[i * d + j] = result[0, i] }
    }
    // ∂f/∂t is taken by differences, with an error of 1e-9: only bsimp reads it, and its extrapolation bears that.
    let (early, late) = (max(0, t - 1e-5 * process.duration), min(process.duration, t + 1e-5 * process.duration))
    try evaluate(late, x, into: result)
    try evaluate(early, x, into: column)
    for i in 0..<d { dfdt[i] = (result[0, i] - column[0, i]) / (late - early) }
  }
}
