// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers

/// How far solvers end from the exact solution of their own problem: the probability flow from the same prior draws, or the
/// reverse SDE from the same prior draws on the same Brownian paths. The difference is the solver's alone; sampling error,
/// which all metrics between samples and data have, is not in it.
///
/// The exact solutions are `ReferenceSolver`'s, the reverse SDE's with 4,096 steps, 1,024 where the score is learned.
struct PathErrors {
  private static let rows = 1024
  private let sampler: Sampler
  private let grid: any TimeGrid
  private let reference: ReferenceSolver
  private let steps: Int
  private var references: [Limit: Batch] = [:]
  private let rows: Int

  init(_ plan: ExperimentPlan, score: any Score, threads: Int) {
    let process = plan.process
    reference = ReferenceSolver(process: process, score: score)
    steps = score.traits.contains(.jacobian) ? 4096 : 1024
    rows = min(Self.rows, plan.sampling.count)
    grid = plan.sampling.grid
    sampler = Sampler(
      process: process, score: score, dimension: plan.data.dimension, seed: plan.seed, epsilon: plan.sampling.epsilon,
      path: CoupledPath(seed: plan.seed, duration: process.duration, depth: CoupledPath.depthOfAnySteps), grid: grid,
      threads: threads)
  }

  /// The root mean square over rows and coordinates; nil for a solver that converges in law alone.
  mutating func error(of solver: any Solver) throws -> Double? {
    guard solver.limit != .law else { return nil }
    let exact = try references[solver.limit] ?? solution(solver.limit)
    references[solver.limit] = exact
    let ends = try sampler.draw(rows, with: solver, denoise: false).batch
    let squares = zip(ends.values, exact.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (squares / Double(max(1, exact.values.count))).squareRoot()
  }

  private func solution(_ limit: Limit) throws -> Batch {
    let solver: any Solver = limit == .flow ? reference.flow() : reference.path(steps: steps, grid: grid)
    return try sampler.draw(rows, with: solver, denoise: false).batch
  }
}
