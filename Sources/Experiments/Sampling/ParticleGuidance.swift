// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Scores
import Solvers

/// Posterior samples by sequential Monte Carlo: every row has particles of its own.
struct ParticleGuidance: Guidance {
  /// How many particles a row has.
  let particles: Int
  /// Particles are resampled where their effective number is below this share of them.
  let share: Double
  let variant: Variant

  /// How particles are proposed and weighted.
  enum Variant: Sendable {
    case tds(TwistedMethod.Spread)
    case conjugate
  }

  var usesObservation: Bool { true }
  var needsProducts: Bool { if case .tds = variant { true } else { false } }
  var beginsByItself: Bool { true }
  var endsList: Bool { true }

  /// Solvers are handed the score as it is: particles do the rest.
  func traits(of traits: ScoreTraits) -> ScoreTraits { traits }

  func check(_ setting: GuidanceSetting) throws {
    try setting.requireObservation()
    try setting.requireKernel()
    if let model = setting.model { _ = try method(model) }
  }

  func check(_ solver: any Solver) throws { try ParticleSolver.predictor(of: solver) }

  private func method(_ model: any ObservationModel) throws -> any ParticleMethod {
    switch variant {
    case .tds(let spread): try TwistedMethod(model, spread: spread)
    case .conjugate: try ConjugateMethod(model)
    }
  }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    let score = try source.score(given: conditions)
    return FewerRows(score, rows: score.shardRows / particles)
  }

  func solver(
    _ solver: any Solver, _ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem
  ) throws -> any Solver {
    let observation = try problem.requireObservation()
    return try ParticleSolver(
      solver, method: method(observation.model), score: source.score(given: Self.copies(conditions, particles)),
      observation: observation, particles: particles, share: share)
  }

  /// The conditions of particles: those of their rows.
  private static func copies(_ conditions: Conditions, _ count: Int) -> Conditions {
    if case .all = conditions { return conditions }
    return .interleaved([Conditions](repeating: conditions, count: count))
  }
}
