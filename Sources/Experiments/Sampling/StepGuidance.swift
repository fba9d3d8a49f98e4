// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Scores
import Solvers

/// A method with steps of its own, on the grid of the config's solver.
struct StepGuidance: Guidance {
  typealias Make =
    @Sendable (_ observation: Observation, _ steps: (count: Int, grid: (any TimeGrid)?), _ eta: Double)
    throws -> any Solver

  let need: ObservationNeed
  /// The name of a method that takes no η from ddim.
  let ancestralOnly: String?
  /// Whether the steps ask for products with the score's Jacobian.
  let usesProducts: Bool
  /// Whether η must be above 0.
  let addsNoise: Bool
  let make: Make

  init(
    needs need: ObservationNeed, ancestralOnly: String? = nil, usesProducts: Bool = false, addsNoise: Bool = false,
    make: @escaping Make
  ) {
    (self.need, self.ancestralOnly, self.usesProducts) = (need, ancestralOnly, usesProducts)
    (self.addsNoise, self.make) = (addsNoise, make)
  }

  var usesObservation: Bool { true }
  var needsProducts: Bool { usesProducts }
  func traits(of traits: ScoreTraits) -> ScoreTraits { traits }
  func check(_ setting: GuidanceSetting) throws { try need.check(setting) }
  func check(_ solver: any Solver) throws { _ = try steps(of: solver) }

  /// The score as it is: steps look at the observation.
  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    try source.score(given: conditions)
  }

  func solver(
    _ solver: any Solver, _ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem
  ) throws -> any Solver {
    let (steps, grid, eta) = try steps(of: solver)
    if usesProducts { try requireProducts(try source.score(given: conditions), problem) }
    return try make(try problem.requireObservation(), (steps, grid), eta)
  }

  /// What is taken over of the solver that the config names.
  private func steps(of solver: any Solver) throws -> (count: Int, grid: (any TimeGrid)?, eta: Double) {
    guard let fixed = solver.fixedSteps, fixed.corrector == nil, let steps = fixed.steps, let eta = eta(fixed.predictor)
    else {
      throw InputError(
        "the guidance has steps of its own; allowed beside it: "
          + (ancestralOnly == nil ? "ancestral with variance posterior, ddim" : "ancestral with variance posterior"))
    }
    guard !addsNoise || eta > 0 else {
      throw InputError(
        "the guidance needs steps that add noise; allowed beside it: ancestral with variance posterior, ddim with eta "
          + "above 0")
    }
    return (steps, fixed.grid, eta)
  }

  private func eta(_ predictor: any Predictor) -> Double? {
    if let ancestral = predictor as? Ancestral { return ancestral.variance == .posterior ? 1 : nil }
    return ancestralOnly == nil ? (predictor as? DDIM)?.eta : nil
  }
}
