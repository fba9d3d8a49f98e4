// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Training

extension Catalogue {
  /// Objectives of paths between data and ends that a coupling puts together.
  static let couplingObjectives: [Kind<ObjectiveRecipe>] = [
    Kind("flow-matching", "the velocity of paths between data and ends that a coupling puts together") { options, _ in
      let coupling = try options.choice(
        "coupling", default: CouplingName.independent,
        "of ends with data: any, those of a batch by exact optimal transport, or row i of source with row i of data")
      let form = try options.choice(
        "gamma", default: InterpolantNoise.Form.none,
        "γ of a stochastic interpolant, with s = t/T: 0, a √(s(1−s)), a s(1−s) or a sin²(πs)")
      let scale = try options.only(if: form != .none, needs: "gamma: brownian, quadratic or sine-squared") {
        try options.number("gamma_scale", default: 1, in: .positive, "a")
      }
      let target = try options.only(if: form != .none, needs: "gamma: brownian, quadratic or sine-squared") {
        try options.choice(
          "learns", default: FlowMatching.Target.velocity,
          "the velocity, for solvers of the probability flow, or the drift of the reverse SDE, for those of that")
      }
      // The identity of other trainings does not name it.
      if target == .velocity { options.settleAbsent("learns") }
      return .flowMatching(
        coupling.coupling, noise: form == .none ? .none : InterpolantNoise(form, scale: scale),
        target: target)
    },
    Kind("bridge-matching", "the reverse drift of bridges of the process between data and ends: Schrödinger bridges") {
      options, _ in
      let coupling = try options.choice(
        "coupling", default: BridgeCouplingName.minibatchEntropic,
        "of ends with data: any, those of a batch by the entropic plan of the process or by exact optimal transport, "
          + "or row i of source with row i of data")
      return .bridgeMatching(coupling.coupling)
    },
    Kind("reflow", "flow matching on pairs that the flow of a teacher makes: rectified flow once more") { options, _ in
      let (allowed, about) = (
        "exact, or a checkpoint.safetensors or its folder", "whose probability flow makes the pairs"
      )
      let isExact = options.isDescribing || options.value(of: "teacher")?.scalar?.string == "exact"
      let path = isExact ? nil : try options.file("teacher", allowed: allowed, about)
      if isExact { _ = try options.text("teacher", example: "exact", allowed: allowed, about) }
      let pairs = try options.integer("pairs", default: 50_000, atLeast: 1, atMost: 100_000_000, "made before training")
      let tolerance = try options.number(
        "tolerance", default: 1e-5, in: .positive, "relative and absolute, of that flow")
      return .reflow(Reflow(teacher: path, count: pairs, tolerance: tolerance))
    },
  ]

  /// The couplings of a flow.
  private enum CouplingName: String, CaseIterable {
    case independent
    case minibatchOT = "minibatch-ot"
    case pairs

    var coupling: Coupling {
      switch self {
      case .independent: .independent
      case .minibatchOT: .minibatchOT
      case .pairs: .pairs
      }
    }
  }

  /// Those of a bridge.
  private enum BridgeCouplingName: String, CaseIterable {
    case independent
    case minibatchEntropic = "minibatch-entropic"
    case minibatchOT = "minibatch-ot"
    case pairs

    var coupling: Coupling {
      switch self {
      case .independent: .independent
      case .minibatchEntropic: .minibatchEntropic
      case .minibatchOT: .minibatchOT
      case .pairs: .pairs
      }
    }
  }
}

extension ObjectiveRecipe {
  /// Flow matching between two laws.
  static func flowMatching(
    _ coupling: Coupling, noise: InterpolantNoise, target: FlowMatching.Target = .velocity,
    name: String = "flow-matching"
  ) -> Self {
    var recipe = ObjectiveRecipe(name, usesKernel: true) { setting in
      FlowMatching(
        setting.model, process: try setting.affineProcess(name), coupling: coupling, ends: setting.ends, noise: noise,
        target: target, times: setting.times)
    }
    recipe.coupling = coupling
    recipe.learnsReverseDrift = target == .reverseDrift
    // With independent draws of the prior and no γ it is the score: `ModelPlan` knows whether there is a source.
    recipe.traits =
      target == .reverseDrift ? .pathAlone : coupling == .independent && noise.form == .none ? [] : .flowAlone
    recipe.hasOwnWeighting = true
    return recipe
  }

  /// Bridges of the process between two laws.
  static func bridgeMatching(_ coupling: Coupling) -> Self {
    var recipe = ObjectiveRecipe("bridge-matching", usesKernel: true) { setting in
      BridgeMatching(
        setting.model, process: setting.process, coupling: coupling, ends: setting.ends,
        weighting: setting.plan.weighting, times: setting.times)
    }
    recipe.coupling = coupling
    recipe.traits = .pathAlone
    return recipe
  }

  /// Flow matching on pairs that a flow has made.
  static func reflow(_ reflow: Reflow) -> Self {
    var recipe = flowMatching(.pairs, noise: .none, name: "reflow")
    recipe.reflow = reflow
    return recipe
  }
}

extension ObjectiveSetting {
  /// The process as one of scalars, which `LearningProblem.check` has seen to.
  fileprivate func affineProcess(_ name: String) throws -> any AffineSDE {
    guard let affine = process.sde as? any AffineSDE else {
      throw InputError("objective \(name) needs a process x_t = m(t) x₀ + σ(t) z", at: "training")
    }
    return affine
  }
}
