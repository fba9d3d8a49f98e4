// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Scores
import Solvers

/// Posterior samples by candidates of a prior that knows p(x₀ | x_t): with any likelihood, and without its gradient.
struct MonteCarloGuidance: Guidance {
  /// How many candidates a row has at every step.
  let candidates: Int
  let moves: Moves
  /// Whether the bias of the candidates' mean is taken off.
  let jackknife: Bool
  /// How many of the candidates of a population stay effective, as a share.
  let effective: Double

  /// What candidates are for.
  enum Moves: String, Sendable, CaseIterable {
    /// Their weighted mean makes a score, for any solver.
    case score
    /// One of them, drawn by its weight, makes an exact step of ancestral sampling.
    case draws
    /// The same, for the rows that share an observation as one population that is resampled.
    case population
  }

  var usesObservation: Bool { true }
  var passesOverScore: Bool { true }
  func offersProducts(_ given: Bool) -> Bool { false }
  var beginsByItself: Bool { moves == .population }
  var endsList: Bool { moves != .score }

  func check(_ setting: GuidanceSetting) throws {
    try setting.requireObservation()
    try setting.requireKernel()
    guard setting.data.conditionalLaw != nil else {
      throw InputError(
        "monte-carlo needs data whose p(x₀ | x_t) is known: gaussian-mixture or uniform-box; allowed for others: smc")
    }
  }

  func check(_ solver: any Solver) throws { if moves != .score { try PosteriorTransitions.check(solver) } }

  private func law(_ problem: GuidanceProblem) throws -> any ConditionalLaw {
    guard let law = problem.data.conditionalLaw else {
      throw InputError("the law of the data is not known", at: "sampling.guidance")
    }
    return law
  }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    guard conditions == .nothing else {
      throw InputError(
        "monte-carlo draws candidates from the law of all rows; allowed: no sampling.condition, or smc",
        at: "sampling.guidance")
    }
    return MonteCarloScore(
      try law(problem), kernel: try problem.requireKernel(), observation: try problem.requireObservation(),
      candidates: candidates, jackknife: jackknife, seed: problem.seed)
  }

  func solver(
    _ solver: any Solver, _ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem
  ) throws -> any Solver {
    let (law, observation) = (try law(problem), try problem.requireObservation())
    return switch moves {
    case .score: solver
    case .draws: try PosteriorTransitions(solver, law: law, observation: observation, candidates: candidates)
    case .population:
      try PosteriorPopulation(
        solver, law: law, observation: observation, candidates: candidates, effective: effective,
        threads: problem.threads)
    }
  }
}
