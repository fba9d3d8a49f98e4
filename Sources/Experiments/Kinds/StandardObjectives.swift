// SPDX-License-Identifier: GPL-3.0-or-later
import Training

extension Catalogue {
  static let standardObjectives = Kinds<ObjectiveRecipe>([
    Kind("denoising", "denoising score matching, for processes with a perturbation kernel") { _, _ in .denoising },
    Kind("sliced", "sliced score matching with reduced variance, on simulated paths: for any process") { options, _ in
      let projections = try options.integer("projections", default: 1, atLeast: 1, atMost: 64, "random directions")
      return .sliced(projections: projections, steps: try simulationSteps(options))
    },
    Kind("implicit", "implicit score matching with the exact trace, on simulated paths: for few dimensions") {
      options, _ in .implicit(steps: try simulationSteps(options))
    },
  ])

  private static func simulationSteps(_ options: Options) throws -> Int {
    try options.integer(
      "simulation_steps", default: 100, atLeast: 1, atMost: 100_000, "steps of simulation from 0 to T")
  }
}
