// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Processes
import Scores
import Solvers
import Synchronization
import Testing

@Suite("Every predictor with every corrector, process and grid", .serialized) struct PairsTests {
  struct Pair: Sendable, CustomStringConvertible {
    let process, predictor, corrector, grid: String
    var description: String { "\(predictor) with \(corrector), \(process), \(grid)" }
  }

  enum Outcome: Sendable {
    case refused(String)
    /// How far the law is from the exact one with N and with 2 N steps, and the sampling error that is left.
    case reached(coarse: Double, fine: Double, error: Double)
  }

  @Test("print") func print() throws {
    let catalogue = Catalogue.standard
    let outcomes = try Self.outcomes(catalogue)
    var text = ""
    for (pair, outcome) in outcomes { text += "\(pair) | \(outcome)\n" }
    try text.write(toFile: "/tmp/h6-pairs.txt", atomically: true, encoding: .utf8)
  }

  /// Options of kinds whose default is no valid config, or makes for slow chains.
  private static let processOptions = [
    "schedule": ", alpha: [1, 0.9, 0.6, 0.2, 0.02], sigma: [0, 0.4, 0.8, 0.97, 1]",
    "formula": ", alpha: 'exp(-2*t^2)', sigma: 't*(2-t)'", "ve": ", sigma_max: 10", "edm": ", sigma_max: 10",
    "ornstein-uhlenbeck": ", noise: [[1, 0.3], [0.3, 2]]",
  ]
  private static let variants = [
    "{kind: heun, s_churn: 20}", "{kind: ddim, eta: 1}", "{kind: ddim, eta: 0.5}", "{kind: unipc, order: 2}",
    "{kind: unipc, variant: bh1}", "{kind: deis, order: 4}", "{kind: ancestral, variance: transition}",
    "{kind: dpm-solver++-3m, correction: exact}",
  ]

  static func outcomes(_ catalogue: Catalogue) throws -> [(Pair, Outcome)] {
    let predictors = catalogue.predictors.names.map { "{kind: \($0)}" } + variants
    let correctors = ["none"] + catalogue.correctors.names.map { "{kind: \($0)}" }
    var pairs: [Pair] = []
    for name in catalogue.processes.names {
      let process = "{kind: \(name)\(processOptions[name] ?? "")}"
      for predictor in predictors {
        for corrector in correctors {
          for grid in catalogue.grids.names {
            pairs.append(Pair(process: process, predictor: predictor, corrector: corrector, grid: grid))
          }
        }
      }
    }
    let designs = Designs()
    let all = pairs
    let found = Mutex<[Int: Outcome]>([:])
    try Shards(rows: pairs.count, size: 1).forEach(threads: 2) { index, _ in
      let outcome = try Self.outcome(all[index], designs)
      found.withLock { $0[index] = outcome }
    }
    let outcomes = found.withLock { $0 }
    return all.indices.compactMap { index in outcomes[index].map { (all[index], $0) } }
  }

  /// Designs are made once for a shape of states.
  final class Designs: Sendable {
    private let made = Mutex<[String: ChainDesign]>([:])
    func design(steps: Int, dimension: Int, isCoupled: Bool) -> ChainDesign {
      made.withLock { made in
        let key = "\(steps) \(dimension) \(isCoupled)"
        if let design = made[key] { return design }
        let design = ChainDesign(steps: steps, dimension: dimension, isCoupled: isCoupled, seed: 5)
        made[key] = design
        return design
      }
    }
  }

  static let steps = 30

  private static func outcome(_ pair: Pair, _ designs: Designs) throws -> Outcome {
    do {
      let (coarse, _) = try distance(pair, steps: steps, designs)
      let (fine, error) = try distance(pair, steps: 2 * steps, designs)
      return .reached(coarse: coarse, fine: fine, error: error)
    } catch let error as InputError {
      return .refused(error.description)
    }
  }

  private static func plan(_ pair: Pair, steps: Int, grid: String, exponential: Bool) throws -> ExperimentPlan {
    let solver =
      pair.corrector == "none"
      ? pair.predictor.replacing("{kind: ", with: "{name: a, kind: ").dropLast()
      : "{name: a, kind: predictor-corrector, predictor: \(pair.predictor), corrector: \(pair.corrector)"
    return try ExperimentsTests.plan(
      """
      name: pairs
      data: {kind: gaussian-mixture, weights: [1], means: [[0.7, -1.2]], covariances: [[[1, 0], [0, 0.25]]], \
      count: 8, held_out: 8\(exponential ? ", exponential: true" : "")}
      process: \(pair.process)
      score: {kind: exact}
      sampling: {count: 8, solvers: [\(solver), steps: \(steps), grid: \(grid), last_step: full}]}
      evaluation: {metrics: [energy-distance]}
      """)
  }

  /// The times of a grid of one's choice: those of the uniform one.
  private static func list(_ pair: Pair, steps: Int, exponential: Bool) throws -> String {
    let plan = try plan(pair, steps: steps, grid: "uniform", exponential: exponential)
    let times = UniformGrid().times(from: plan.process.duration, to: plan.sampling.epsilon, steps: steps)
    return "{kind: list, times: [\(times.map(\.description).joined(separator: ", "))]}"
  }

  /// How far a chain's law at ε, from the exact law at T, is from the exact law.
  private static func distance(_ pair: Pair, steps: Int, _ designs: Designs) throws -> (Double, Double) {
    let exponential = pair.process.contains("geometric-brownian-motion")
    let grid = pair.grid == "list" ? try list(pair, steps: steps, exponential: exponential) : pair.grid
    let plan = try plan(pair, steps: steps, grid: grid, exponential: exponential)
    let data = GaussianLaw(mean: [0.7, -1.2], covariance: Matrix.diagonal([1, 0.25]))
    let mixture = try GaussianMixture(weights: [1], means: [[0.7, -1.2]], covariances: [[[1, 0], [0, 0.25]]])
    let prepared = plan.prepared
    let score = try #require(prepared.exactScore(of: DataLaw(mixture, isExponential: exponential)))
    let kernel = try #require(prepared.noise)
    let width = 2 / kernel.blocks.data
    let (start, end) = (
      data.under(kernel.moments(at: plan.process.duration), width: width),
      data.under(kernel.moments(at: plan.sampling.epsilon), width: width)
    )
    let design = designs.design(steps: steps, dimension: start.mean.count, isCoupled: !(prepared.sde is any AffineSDE))
    let problem = SamplingProblem(
      process: prepared, score: score, dimension: 2, seed: 5, epsilon: plan.sampling.epsilon, grid: plan.sampling.grid)
    let solver = try #require(plan.sampling.solvers.first).solver
    var x = design.start(start)
    let coordinates = prepared.transformed?.coordinates
    try x.withRows { rows in
      coordinates?.decode(rows, into: rows)
      do {
        _ = try solver.solve(rows, in: SolveContext(problem, rows: rows.span))
        try coordinates?.encode(rows, into: rows, from: nil)
      } catch is ComputationError {
        rows.fill(.nan)
      }
    }
    let result = design.law(of: x)
    return (result.law.distance(to: end), result.error)
  }
}
