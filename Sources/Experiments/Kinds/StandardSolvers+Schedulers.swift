// SPDX-License-Identifier: GPL-3.0-or-later
import Solvers

extension Catalogue {
  private enum SchedulerMethod: String, CaseIterable {
    case ddim, ddpm, pndm, euler, lms, heun, unipc, deis
    case eulerAncestral = "euler-ancestral"
    case dpmSolverPP = "dpm-solver++"
    case dpmSolverPPSDE = "dpm-solver++-sde"

    var hasOrder: Bool { [.dpmSolverPP, .dpmSolverPPSDE, .unipc, .deis].contains(self) }
    var hasSigmas: Bool { hasOrder || [.euler, .lms, .heun].contains(self) }
    var hasLastSigma: Bool { [.euler, .dpmSolverPP, .dpmSolverPPSDE, .unipc].contains(self) }
    /// Whether it asks between levels.
    var hasFractions: Bool { [.euler, .eulerAncestral, .lms, .heun].contains(self) }

    func method(order: Int, eta: Double, variance: Ancestral.Variance, variant: UniPC.Variant) -> Scheduler.Method {
      switch self {
      case .ddim: .ddim(eta: eta)
      case .ddpm: .ddpm(variance)
      case .pndm: .pndm
      case .euler: .euler
      case .eulerAncestral: .eulerAncestral
      case .lms: .lms
      case .heun: .heun
      case .dpmSolverPP, .dpmSolverPPSDE:
        .dpmSolverPP(order: order, isStochastic: self == .dpmSolverPPSDE, correction: .published)
      case .unipc: .uniPC(order: order, variant: variant)
      case .deis: .deis(order: order)
      }
    }
  }

  /// A scheduler of diffusers under any process, whose levels are equal steps of time.
  static let scheduler = Kind<any Solver>(
    "scheduler", "diffusers' schedulers: steps between the levels that a network counts, by their conventions"
  ) { options, _ in
    let kind = try options.choice("method", default: SchedulerMethod.ddim, "how states move from level to level")
    let steps = try options.integer("steps", example: 50, atLeast: 1, atMost: 1_000_000, "N, as a pipeline counts them")
    let levels = try options.integer(
      "levels", default: 1000, atLeast: 2, atMost: 1_000_000, "how many levels there are at equal steps of time")
    let order = try options.only(if: kind.hasOrder, needs: "method: dpm-solver++, unipc or deis") {
      try options.choice("order", default: 2, among: [1, 2, 3], "of the method")
    }
    if kind == .dpmSolverPPSDE, order == 3 {
      throw options.wrong("order", "is 3 of a stochastic solver; allowed: 1, 2")
    }
    let eta = try options.only(if: kind == .ddim, needs: "method: ddim") {
      try options.number("eta", default: 0, in: .closed(0, 1), "noise: 0 none, 1 that of ancestral sampling")
    }
    let variance = try options.only(if: kind == .ddpm, needs: "method: ddpm") {
      try options.choice("variance", default: Ancestral.Variance.posterior, "of the noise added: v(s) q/v(t), or q")
    }
    let variant = try options.only(if: kind == .unipc && order > 1, needs: "method: unipc of order 2 or 3") {
      try options.choice("variant", default: UniPC.Variant.bh2, "B(h): h, or e^h − 1")
    }
    var scheduler = Scheduler(kind.method(order: order, eta: eta, variance: variance, variant: variant))
    let usual: Scheduler.Spacing = kind.hasSigmas || kind == .eulerAncestral ? .linspace : .leading
    scheduler.spacing =
      try options.choice(
        "spacing", default: Spacing.auto,
        "of the levels told; auto: linspace, of ddim, ddpm and pndm leading"
      ).value ?? usual
    scheduler.offset = try options.only(if: scheduler.spacing == .leading, needs: "spacing: leading") {
      try options.integer("steps_offset", default: 0, atLeast: 0, atMost: levels - 1, "added to the levels told")
    }
    scheduler.sigmas = try options.only(if: kind.hasSigmas, needs: "a method in σ/m") {
      try options.choice("sigmas", default: Scheduler.Sigmas.trained, "σ/m of steps: the levels', or spaced anew")
    }
    if scheduler.sigmas == .logLinear, kind != .euler {
      throw options.wrong("sigmas", "is log-linear; allowed for method: euler alone")
    }
    if scheduler.sigmas == .lu, kind != .dpmSolverPP, kind != .dpmSolverPPSDE {
      throw options.wrong("sigmas", "is lu; allowed for method: dpm-solver++ alone")
    }
    let last = try options.only(if: kind.hasLastSigma, needs: "method: euler, dpm-solver++ or unipc") {
      try options.choice("last_sigma", default: Scheduler.LastSigma.zero, "where the last step ends")
    }
    if kind.hasLastSigma { scheduler.lastSigma = last }
    let endsWithoutNoise = try options.only(if: kind == .ddim || kind == .pndm, needs: "method: ddim or pndm") {
      try options.flag("set_alpha_to_one", default: kind != .pndm, "end without noise, or at the first level")
    }
    if kind == .ddim || kind == .pndm { scheduler.endsWithoutNoise = endsWithoutNoise }
    let isBetween =
      kind == .pndm || scheduler.sigmas != .trained || kind.hasFractions && scheduler.spacing == .linspace
    scheduler.held = try options.only(if: isBetween, needs: "levels between those that are trained, or method: pndm") {
      try options.choice(
        "prediction", default: HeldOutput.noise,
        "the network's output, which is held where its level is not the state's")
    }
    if kind == .pndm, scheduler.held == .data {
      throw options.wrong("prediction", "is data; allowed for method: pndm: noise, velocity")
    }
    return ScheduledSolver(scheduler, steps: steps, levelCount: levels)
  }

  private enum Spacing: String, CaseIterable {
    case auto, leading, trailing, linspace

    var value: Scheduler.Spacing? { Scheduler.Spacing(rawValue: rawValue) }
  }
}
