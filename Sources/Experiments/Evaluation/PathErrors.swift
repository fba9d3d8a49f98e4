// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Processes
import Scores
import Solvers

/// How far solvers end from the exact solution of their own problem: the probability flow from the same prior draws, or
/// the reverse SDE from the same prior draws on the same Brownian paths. The difference is the solver's alone; sampling
/// error, which all metrics between samples and data have, is not in it.
///
/// The exact solutions are `ReferenceSolver`'s, the reverse SDE's with 4,096 steps, 1,024 where the score is learned.
final class PathErrors {
  private static let largestCount = 1024
  private let samplers: [Int: (sampler: Sampler, steps: Int)]
  private let solvers: [String: GuidedSolver]
  private let data: DataInCoordinates
  private let grid: any TimeGrid
  private let reference: ReferenceSolver
  private var references: [Int: [Limit: Batch]] = [:]
  private let rows: Int

  /// - Parameters:
  ///   - process: whose reverse SDE or flow the solvers solve.
  ///   - solvers: with their scores. Those of one guidance share a reference.
  ///   - data: the data, in whose units errors are measured.
  ///   - sampling: says how many rows there are, ε and the grid.
  ///   - startStates: what samples begin with; nil: draws of the prior.
  init(
    process: PreparedProcess, solvers: [GuidedSolver], data: DataInCoordinates, sampling: SamplingPlan,
    startStates: Batch?, seed: UInt64, threads: Int
  ) throws {
    // The first repeat alone is solved.
    let beginning = try startStates.flatMap { try sampling.start?.beginning($0, process, seed: seed, period: nil) }
    rows = min(Self.largestCount, sampling.count)
    // Where each solver has times of its own, the reference takes the process's spacing.
    grid = sampling.grid is OptimisedGrid ? process.sde.samplingSpacing.grid : sampling.grid
    self.data = data
    var samplers: [Int: (sampler: Sampler, steps: Int)] = [:]
    for solver in solvers where samplers[solver.guidance] == nil {
      let sampler = Sampler(
        process: process, score: solver.score, dimension: data.source.dimension, seed: seed, epsilon: sampling.epsilon,
        path: CoupledPath(seed: seed, duration: process.duration, depth: CoupledPath.depthOfAnySteps),
        grid: grid, beginning: beginning, threads: threads)
      samplers[solver.guidance] = (sampler, solver.score.traits.contains(.jacobian) ? 4096 : 1024)
    }
    self.samplers = samplers
    self.solvers = Dictionary(uniqueKeysWithValues: solvers.map { ($0.named.name, $0) })
    reference = ReferenceSolver(
      SamplingSetting(process, epsilon: sampling.epsilon, grid: grid, traits: solvers.first?.score.traits ?? []))
  }

  /// Errors up to it are those of the reference: no two of them are told apart.
  var floor: Double { reference.floor }

  /// How many rows are solved.
  var count: Int { rows }

  /// The root mean square over rows and coordinates; nil for a solver that converges in law alone.
  ///
  /// Rows are independent; those of two solvers have the same noise. The influence of row i, by the infinitesimal
  /// jackknife (Jaeckel 1972), is (m_i − m)/(2 √m), m_i its mean square.
  func error(of named: SamplingPlan.NamedSolver) throws -> Estimate? {
    // A score with memory has no solution that steps could come close to.
    guard let guided = solvers[named.name], let sampler = samplers[guided.guidance]?.sampler,
      guided.solver.limit != .law, !guided.score.traits.contains(.memory)
    else { return nil }
    let solver = guided.solver
    let exact = try references[guided.guidance]?[solver.limit] ?? solution(solver.limit, guided.guidance)
    references[guided.guidance, default: [:]][solver.limit] = exact
    let ends = data.decoded(try sampler.draw(rows, with: solver, denoise: false).batch)
    let squares = zip(ends.values, exact.values).map { ($0 - $1) * ($0 - $1) }
    let meanSquare = squares.reduce(0, +) / Double(max(1, exact.values.count))
    let error = meanSquare.squareRoot()
    guard error > 0, error.isFinite else { return Estimate(error) }
    let influences = (0..<exact.count).map { row in
      let own = (0..<exact.dimension).reduce(0) { $0 + squares[row * exact.dimension + $1] } / Double(exact.dimension)
      return (own - meanSquare) / (2 * error)
    }
    return Estimate(error, sampleInfluences: influences, scale: .logarithm)
  }

  private func solution(_ limit: Limit, _ guidance: Int) throws -> Batch {
    guard let (sampler, steps) = samplers[guidance] else { preconditionFailure("a guidance of no solver") }
    let solver: any Solver = limit == .flow ? reference.flow() : reference.path(steps: steps, grid: grid)
    return data.decoded(try sampler.draw(rows, with: solver, denoise: false).batch)
  }
}
