// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// A shard on its way along the probability flow, with the integral of the divergence: the state is each row's D
/// coordinates and its accumulators, one for each probe, or a single one where the divergence is exact.
final class AugmentedFlow {
  private let context: SolveContext
  private let epsilon: Double
  private let integrator: any Integrator
  private let storage: RowStorage
  private let point, score, flow: Rows
  /// The directions v.
  private let probes: [Rows]
  /// (∂s/∂x)ᵀ v
  private let product: Rows
  private let accumulators: Int

  private var state: Rows { storage.rows }

  init(_ likelihood: Likelihood, in context: SolveContext) {
    self.context = context
    epsilon = likelihood.epsilon
    integrator = likelihood.integrator
    let span = context.span
    switch likelihood.divergence {
    case .exact:
      accumulators = 1
      probes = (0..<span.dimension).map { j in
        let unit = context.makeRows()
        for row in 0..<unit.count { unit[row, j] = 1 }
        return unit
      }
    case .hutchinson(let count, let law):
      accumulators = count
      let stream = NoiseStream(seed: context.problem.seed, purpose: .divergence)
      probes = (0..<count).map { index in
        let probe = context.makeRows()
        switch law {
        case .gaussian: stream.normals(into: probe, step: index)
        case .rademacher:
          stream.uniforms(into: probe, step: index)
          for i in 0..<probe.size { probe.values[i] = probe.values[i] < 0.5 ? -1 : 1 }
        }
        return probe
      }
    }
    product = context.makeRows()
    (point, score, flow) = (context.makeRows(), context.makeRows(), context.makeRows())
    storage = RowStorage(span.with(dimension: span.dimension + accumulators))
  }

  /// Carries x from ε to T in place, and keeps the integrals.
  func encode(_ x: Rows) throws -> StepCount {
    let (state, dimension) = (state, x.dimension)
    state.fill(0)
    state.copy(columns: 0..<dimension, of: x)
    let steps = try integrator.integrate(state, from: epsilon, to: context.problem.process.duration) {
      try field(at: $0, $1, into: $2)
    } onStep: { step, time in
      try context.finished(step: step, at: time, state)
    }
    x.copy(columns: 0..<dimension, of: state)
    return steps
  }

  /// Writes F and, for each accumulator, vᵀ (∂F/∂x) v.
  private func field(at t: Double, _ state: Rows, into derivative: Rows) throws {
    let process = context.problem.process
    let dimension = point.dimension
    point.copy(columns: 0..<dimension, of: state)
    try context.score.linearise(point, at: .all(t), into: score)
    derivative.fill(0)
    flow.fill(0)
    process.addFlow(point, score: score, at: t, times: 1, to: flow)
    derivative.copy(columns: 0..<dimension, of: flow)
    for index in probes.indices {
      let probe = probes[index]
      try context.score.pullback(probe, into: product)
      flow.fill(0)
      process.addFlowDerivative(
        along: probe, score: score, scoreDerivative: product, point, at: t, times: 1, to: flow)
      let accumulator = dimension + min(index, accumulators - 1)
      for row in 0..<probe.count {
        var dot = 0.0
        for j in 0..<dimension { dot += probe[row, j] * flow[row, j] }
        derivative[row, accumulator] += dot
      }
    }
  }

  /// ∫ ∇·F dt of a row after `encode`, and its standard error where there are several estimates.
  func divergence(ofRow row: Int) -> (mean: Double, standardError: Double?) {
    let estimates = (0..<accumulators).map { state[row, point.dimension + $0] }
    let count = Double(accumulators)
    let mean = estimates.reduce(0, +) / count
    guard accumulators > 1 else { return (mean, nil) }
    let squares = estimates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, (squares / (count - 1) / count).squareRoot())
  }
}
