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
    /// By the plan, with its reason.
    case refused(String)
    /// How far the law is from the exact one with N and with 2 N steps, and the sampling error that is left.
    case reached(coarse: Double, fine: Double, error: Double)
    /// The solve ended with an error that says where.
    case failed(String)
  }

  /// A pair's law is judged by what theory predicts of its bias with 2 N = 60 steps:
  ///
  /// - all methods are of order 1 at least: it is small, or at most three quarters of that with N. Half would be the
  ///   asymptote, which the coarsest grids have not reached; a few pairs are judged by N = 60 and 120;
  /// - a corrector pulls towards the exact law, whatever the predictor did: a pair is not much worse than the predictor
  ///   alone, or than most predictors are with this corrector. A predictor that loses what the corrector did is.
  ///
  /// Errors are in deviations of the exact law, and nearly all are exact: see `ChainDesign`.
  @Test("every pair that is allowed reaches a Gaussian's mean and covariance within its predicted bias")
  func laws() throws {
    let outcomes = try Self.outcomes(.standard)
    let complaints = try Self.complaints(outcomes, .standard)
    #expect(complaints.isEmpty, "\(complaints.count): \(complaints.prefix(10).joined(separator: "; "))")
    var (reached, reasons, used) = (0, Set<String>(), Set<String>())
    for (pair, outcome) in outcomes {
      switch outcome {
      case .reached:
        reached += 1
        used.formUnion([pair.process, pair.predictor, pair.corrector, pair.grid])
      case .refused(let reason):
        reasons.insert(reason)
        // One line that says what is missing.
        #expect(reason.contains("needs ") && !reason.contains("\n"), "\(pair): \(reason)")
      case .failed(let reason):
        // Euler's steps in x leave the positive axis, where this process lives.
        #expect(pair.process.contains("geometric-brownian-motion") && reason.contains("row"), "\(pair): \(reason)")
      }
    }
    // Every kind is judged in some pair.
    for (pair, _) in outcomes {
      for kind in [pair.process, pair.predictor, pair.corrector, pair.grid] { #expect(used.contains(kind), "\(kind)") }
    }
    #expect(reached > 2000 && !reasons.isEmpty)
  }

  @Test("a predictor that throws away what a corrector did is found") func forgetful() throws {
    var catalogue = Catalogue.standard
    catalogue.predictors.add(Kind("forgetful", "UniPC that is not told") { _, _ in Forgetful(base: UniPC()) })
    catalogue.processes = Kinds(catalogue.processes.all.filter { $0.name == "vp" })
    let complaints = try Self.complaints(Self.outcomes(catalogue), catalogue)
    #expect(!complaints.isEmpty && complaints.allSatisfy { $0.contains("forgetful") }, "\(complaints)")
  }

  private static func complaints(_ outcomes: [(Pair, Outcome)], _ catalogue: Catalogue) throws -> [String] {
    var alone: [String: Double] = [:]
    var others: [String: [Double]] = [:]
    for (pair, outcome) in outcomes {
      guard case .reached(_, let fine, _) = outcome else { continue }
      if pair.corrector == "none" { alone["\(pair.process) \(pair.grid) \(pair.predictor)"] = fine }
      others["\(pair.process) \(pair.grid) \(pair.corrector)", default: []].append(fine)
    }
    return try outcomes.compactMap { pair, outcome in
      guard case .reached(let coarse, let fine, let error) = outcome else { return nil }
      let slack = 0.05 + 5 * error
      if !(fine.isFinite && (fine <= slack || fine <= 0.75 * coarse)) {
        let (finer, _) = try distance(pair, steps: 4 * steps, .shared, catalogue)
        guard finer <= max(slack, 0.75 * max(coarse, fine)) else {
          return "\(pair): \(coarse), \(fine), \(finer) at \(steps), \(2 * steps), \(4 * steps) steps"
        }
      }
      guard pair.corrector != "none" else { return nil }
      let most = (others["\(pair.process) \(pair.grid) \(pair.corrector)"] ?? []).sorted()
      let predicted = max(
        alone["\(pair.process) \(pair.grid) \(pair.predictor)"] ?? 0, most.isEmpty ? 0 : most[most.count / 2])
      return fine <= 3 * predicted + slack ? nil : "\(pair): \(fine), predicted \(predicted)"
    }
  }

  /// Options of kinds whose default is no valid config, or makes for slow chains.
  private static let processOptions = [
    "schedule": ", alpha: [1, 0.9, 0.6, 0.2, 0.02], sigma: [0, 0.4, 0.8, 0.97, 1]",
    "formula": ", alpha: 'exp(-2*t^2)', sigma: 't*(2-t)'", "ve": ", sigma_max: 10", "edm": ", sigma_max: 10",
    "ornstein-uhlenbeck": ", noise: [[1, 0.3], [0.3, 2]]",
  ]
  private static let strong = "{kind: langevin, snr: 0.3, steps: 4}"
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
          // A list has the times of the uniform grid here; those of `optimised` are found for an experiment's solver.
          for grid in catalogue.grids.names
          where grid != "optimised" && (grid != "list" || predictor == predictors[0]) {
            pairs.append(Pair(process: process, predictor: predictor, corrector: corrector, grid: grid))
          }
        }
        // One that all but forgets where a step began.
        pairs.append(Pair(process: process, predictor: predictor, corrector: strong, grid: "log-snr"))
      }
    }
    let designs = Designs.shared
    let all = pairs
    let found = Mutex<[Int: Outcome]>([:])
    try Shards(rows: pairs.count, size: 1).forEach(threads: 2) { index, _ in
      let outcome = try Self.outcome(all[index], designs, catalogue)
      found.withLock { $0[index] = outcome }
    }
    let outcomes = found.withLock { $0 }
    return all.indices.compactMap { index in outcomes[index].map { (all[index], $0) } }
  }

  /// Designs are made once for a shape of states.
  final class Designs: Sendable {
    static let shared = Designs()
    private let made = Mutex<[String: ChainDesign]>([:])
    func design(steps: Int, corrections: Int, dimension: Int, isCoupled: Bool) -> ChainDesign {
      made.withLock { made in
        let key = "\(steps) \(corrections) \(dimension) \(isCoupled)"
        if let design = made[key] { return design }
        let design = ChainDesign(
          steps: steps, corrections: corrections, dimension: dimension, isCoupled: isCoupled, seed: 5)
        made[key] = design
        return design
      }
    }
  }

  static let steps = 30

  private static func outcome(_ pair: Pair, _ designs: Designs, _ catalogue: Catalogue) throws -> Outcome {
    do {
      let (coarse, _) = try distance(pair, steps: steps, designs, catalogue)
      let (fine, error) = try distance(pair, steps: 2 * steps, designs, catalogue)
      return .reached(coarse: coarse, fine: fine, error: error)
    } catch let error as InputError {
      return .refused(error.description)
    } catch let error as ComputationError {
      return .failed(error.description)
    }
  }

  private static func plan(
    _ pair: Pair, steps: Int, grid: String, exponential: Bool, _ catalogue: Catalogue
  ) throws -> ExperimentPlan {
    let solver =
      pair.corrector == "none"
      ? pair.predictor.replacing("{kind: ", with: "{name: a, kind: ").dropLast()
      : "{name: a, kind: predictor-corrector, predictor: \(pair.predictor), corrector: \(pair.corrector)"
    let text = """
      name: pairs
      data: {kind: gaussian-mixture, weights: [1], means: [[0.7, -1.2]], covariances: [[[1, 0], [0, 0.25]]], \
      count: 8, held_out: 8\(exponential ? ", exponential: true" : "")}
      process: \(pair.process)
      score: {kind: exact}
      sampling: {count: 8, solvers: [\(solver), steps: \(steps), grid: \(grid)}]}
      evaluation: {metrics: [energy-distance]}
      """
    return try ExperimentPlan(ConfigSource(text: text, path: "pairs.yaml"), catalogue: catalogue)
  }

  /// How far a chain's law at ε, from the exact law at T, is from the exact law; and the sampling error of that.
  private static func distance(
    _ pair: Pair, steps: Int, _ designs: Designs, _ catalogue: Catalogue = .standard
  ) throws -> (Double, Double) {
    let exponential = pair.process.contains("geometric-brownian-motion")
    var grid = pair.grid
    if grid == "list" {
      // Times of one's choice: those of the uniform grid.
      let plan = try plan(pair, steps: steps, grid: "uniform", exponential: exponential, catalogue)
      let times = UniformGrid().times(from: plan.process.duration, to: plan.sampling.epsilon, steps: steps)
      grid = "{kind: list, times: [\(times.map(\.description).joined(separator: ", "))]}"
    }
    let plan = try plan(pair, steps: steps, grid: grid, exponential: exponential, catalogue)
    let covariance = [[1, 0], [0, 0.25]]
    let mixture = try GaussianMixture(weights: [1], means: [[0.7, -1.2]], covariances: [covariance])
    let data = GaussianLaw(mean: [0.7, -1.2], covariance: Matrix(covariance))
    let prepared = plan.prepared
    let score = try #require(prepared.exactScore(of: DataLaw(mixture, isExponential: exponential)))
    let kernel = try #require(prepared.noise)
    let width = 2 / kernel.blocks.data
    let start = data.under(kernel.moments(at: plan.process.duration), width: width)
    let end = data.under(kernel.moments(at: plan.sampling.epsilon), width: width)
    let design = designs.design(
      steps: steps, corrections: pair.corrector == strong ? 4 : 1, dimension: start.mean.count,
      isCoupled: !(prepared.sde is any AffineSDE))
    let problem = SamplingProblem(
      process: prepared, score: score, dimension: 2, seed: 5, epsilon: plan.sampling.epsilon, grid: plan.sampling.grid)
    let solver = try #require(plan.sampling.solvers.first).solver
    var x = design.start(start)
    let coordinates = prepared.transformed?.coordinates
    try x.withRows { rows in
      coordinates?.decode(rows, into: rows)
      _ = try solver.solve(rows, in: SolveContext(problem, rows: rows.span))
      try coordinates?.encode(rows, into: rows, from: nil)
    }
    let result = design.law(of: x)
    return (result.law.distance(to: end), result.error)
  }

  /// A predictor that does not hear of correctors.
  private struct Forgetful: Predictor {
    let base: any Predictor
    var requires: Requirements { base.requires }

    func makeStepper(in context: SolveContext) throws -> any PredictorStepper {
      Stepper(base: try base.makeStepper(in: context))
    }

    final class Stepper: PredictorStepper {
      private let base: any PredictorStepper
      init(base: any PredictorStepper) { self.base = base }
      func step(_ x: Rows, _ step: Step) throws { try base.step(x, step) }
    }
  }
}
