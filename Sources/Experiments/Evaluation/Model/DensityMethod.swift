// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores
import Solvers

/// How a metric computes log densities: one config may hold several ways side by side.
enum DensityMethod: Hashable, Sendable {
  /// As the config's section `likelihood` says.
  case section
  /// By the probability-flow ODE.
  case ode
  /// By the ODE of the exact score of the data's law, at the same ε.
  case exact
  /// By the map that the network is, in so many steps, at equal ones of ln(m/σ).
  case map(LogDeterminant, steps: Int)

  private enum Name: String, CaseIterable { case section, ode, exact, jacobian, divergence }

  /// Reads `by` and `steps`.
  init(_ options: Options) throws {
    let name = try options.choice(
      "by", default: Name.section,
      "how: as the section likelihood says, by the ODE, by the ODE of the exact score, or by the flow map that the "
        + "network is, with its Jacobian or its divergence")
    let steps = try options.only(if: name == .jacobian || name == .divergence, needs: "by: jacobian or divergence") {
      try options.integer("steps", default: 8, atLeast: 1, atMost: 1_000_000, "of the map, from ε to T")
    }
    self =
      switch name {
      case .section: .section
      case .ode: .ode
      case .exact: .exact
      case .jacobian: .map(.jacobian, steps: steps)
      case .divergence: .map(.divergence, steps: steps)
      }
  }

  /// - Throws: `InputError` without a location where a model has no such densities.
  func check(_ setting: ModelSetting) throws {
    switch self {
    case .section, .ode: return
    case .exact:
      guard setting.hasExactScore else { throw InputError("by: exact needs data whose exact score is known") }
    case .map:
      guard let mapped = plan(setting.likelihood).mapped else { return }
      do {
        try mapped.times(
          setting.process, traits: setting.traits, map: setting.map, dimension: setting.data.dimension)
      } catch let error as InputError {
        throw InputError("by: \(mapped.determinant.rawValue): \(error.message)")
      }
    }
  }

  /// The section's plan with this method.
  func plan(_ section: LikelihoodPlan) -> LikelihoodPlan {
    switch self {
    case .section: section
    case .ode, .exact: LikelihoodPlan(section, mapped: nil)
    case .map(let determinant, let steps):
      LikelihoodPlan(
        section,
        mapped: FlowMapLikelihood(
          steps: steps, epsilon: section.likelihood.epsilon, terminal: section.likelihood.terminal,
          determinant: determinant))
    }
  }
}
