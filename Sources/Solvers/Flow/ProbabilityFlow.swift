// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// The probability-flow ODE  dx/dt = f − ½ ∇·(G Gᵀ) − ½ G Gᵀ s: deterministic, invertible, with the SDE's marginals
/// (Song et al. 2021, eq. 13).
public struct ProbabilityFlow: Solver {
  public let integrator: any Integrator
  public var steps: Int? { nil }
  public var limit: Limit { .flow }

  public init(_ integrator: any Integrator) { self.integrator = integrator }

  /// The flow through one of GSL's steppers.
  public init(_ method: GSLIntegrator.Method, rtol: Double = 1e-5, atol: Double = 1e-5) {
    integrator = GSLIntegrator(method, rtol: rtol, atol: atol)
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    context.started(at: context.problem.process.duration, x)
    return try transport(x, from: context.problem.process.duration, to: context.problem.epsilon, in: context)
  }

  /// Carries rows along the flow between any two times, in place: ε to T encodes, T to ε decodes.
  public func transport(_ x: Rows, from start: Double, to end: Double, in context: SolveContext) throws -> StepCount {
    let process = context.problem.process
    let evaluator = context.score
    let score = context.makeRows()
    return try integrator.integrate(x, from: start, to: end) { t, x, derivative in
      try evaluator.evaluate(x, at: .all(t), into: score)
      derivative.values.update(repeating: 0, count: derivative.size)
      process.addFlow(x, score: score, at: t, times: 1, to: derivative)
    } onStep: { step, time in
      try context.finished(step: step, at: time, x)
    }
  }
}
