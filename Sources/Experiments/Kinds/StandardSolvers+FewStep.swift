// SPDX-License-Identifier: GPL-3.0-or-later
import Solvers

// Solvers of networks that map along the flow.
extension Catalogue {
  static let flowMap = Kind<any Solver>(
    "flow-map", "the map of the flow, in a step or several; of a network that was trained for it"
  ) { options, catalogue in
    let steps = try steps(options)
    let noise = try options.only(if: steps > 1 || options.isDescribing, needs: "steps above 1") {
      try options.number(
        "noise", default: 0, in: .closed(0, 1),
        "added between steps: 0 none; 1: each map goes to ε, and noise takes it back to the step's end")
    }
    return FlowMapSolver(steps: steps, noise: noise, grid: try grid(options, catalogue))
  }

  static let consistency = Kind<any Solver>(
    "consistency", "maps to ε, with noise of the step's time before each but the first; of a network trained for it"
  ) { options, catalogue in
    ConsistencySolver(steps: try steps(options), grid: try grid(options, catalogue))
  }

  private static func steps(_ options: Options) throws -> Int {
    try options.integer("steps", default: 1, atLeast: 1, atMost: 10_000_000, "N, evaluations of the network")
  }

  private static func grid(_ options: Options, _ catalogue: Catalogue) throws -> (any TimeGrid)? {
    try options.kind(
      "grid", of: catalogue.grids, or: "shared", in: catalogue, "its own spacing; shared: that of `sampling`")
  }
}
