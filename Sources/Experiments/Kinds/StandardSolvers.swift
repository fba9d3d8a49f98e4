// SPDX-License-Identifier: GPL-3.0-or-later
import Solvers

extension Catalogue {
  /// Methods with steps of one's choice. Each is a solver of the same name, and a predictor of `predictor-corrector`.
  static let standardPredictors = Kinds<any Predictor>([
    Kind("euler-maruyama", "the Euler–Maruyama step of the reverse SDE") { _, _ in EulerMaruyama() },
    Kind("reverse-diffusion", "the reverse SDE discretised as the forward one is") { _, _ in ReverseDiffusion() },
    Kind("ancestral", "ancestral sampling, as DDPM and NCSN do") { options, _ in
      Ancestral(
        variance: try options.choice(
          "variance", default: Ancestral.Variance.posterior, "of the noise added: v(s) q/v(t), or q"))
    },
    Kind("heun", "EDM's sampler: the probability flow in σ/m by Heun's method, with churn") { options, _ in
      let churn = try options.number("s_churn", default: 0, in: .nonNegative, "noise added over all steps; 0: none")
      let (low, high, noise) = try options.only(if: churn > 0, needs: "s_churn above 0") {
        (
          try options.number("s_min", default: 0, in: .nonNegative, "the smallest σ/m at which noise is added"),
          try options.number("s_max", or: "none", in: .nonNegative, "the largest σ/m at which noise is added"),
          try options.number("s_noise", default: 1, in: .positive, "factor of the noise added")
        )
      }
      if let high, high < low { throw options.wrong("s_max", "is \(written(high)); allowed: at least s_min") }
      return EDMHeun(churn: EDMHeun.Churn(churn, from: low, to: high ?? .infinity, noise: noise))
    },
    Kind("stochastic-heun", "Heun's step of the reverse SDE") { _, _ in AdditiveRungeKutta(.heun) },
    Kind("sra1", "Rößler's stochastic Runge–Kutta method of strong order 1.5 for the reverse SDE") { _, _ in
      AdditiveRungeKutta(.sra1)
    },
    Kind("shark", "the shifted additive-noise Runge–Kutta method of strong order 1.5 for the reverse SDE") { _, _ in
      AdditiveRungeKutta(.shark)
    },
    Kind("sscs", "symmetric splitting: the Gaussian part of the reverse SDE exactly, the rest by Euler") { _, _ in
      SymmetricSplitting()
    },
    Kind("ddim", "DDIM: the first-order exponential step; stochastic for η above 0") { options, _ in
      let eta = try options.number(
        "eta", default: 0, in: .closed(0, 1), "noise: 0 none, 1 that of ancestral sampling")
      return DDIM(eta: eta)
    },
    Kind("euler", "Euler's step of the probability flow in t") { _, _ in RungeKutta(.euler) },
    Kind("rk4", "the classical Runge–Kutta step of the probability flow in t") { _, _ in RungeKutta(.rk4) },
    Kind("dpm-solver-2", "DPM-Solver-2 for the probability flow") { _, _ in DPMSolver(order: 2) },
    Kind("dpm-solver-3", "DPM-Solver-3 for the probability flow") { _, _ in DPMSolver(order: 3) },
    Kind("dpm-solver++-2m", "DPM-Solver++(2M) for the probability flow") { options, _ in
      DPMSolverPP(order: 2, correction: try correction(options))
    },
    Kind("dpm-solver++-3m", "DPM-Solver++(3M) for the probability flow") { options, _ in
      DPMSolverPP(order: 3, correction: try correction(options))
    },
    Kind("dpm-solver++-2m-sde", "DPM-Solver++(2M) for the reverse SDE") { options, _ in
      DPMSolverPP(order: 2, eta: try noise(options), correction: try correction(options))
    },
    Kind("dpm-solver++-3m-sde", "DPM-Solver++(3M) for the reverse SDE") { options, _ in
      DPMSolverPP(order: 3, eta: try noise(options), correction: try correction(options))
    },
    Kind("unipc", "UniPC for the probability flow, multistep, predicting data") { options, _ in
      let order = try options.choice("order", default: 3, among: [2, 3], "of the predictor")
      let variant = try options.choice("variant", default: UniPC.Variant.bh2, "B(h): h, or e^h − 1")
      return UniPC(order: order, variant: variant)
    },
    Kind("deis", "exponential Adams–Bashforth for the probability flow") { options, _ in
      let order = try options.choice("order", default: 3, among: [1, 2, 3, 4], "of the polynomial, plus 1")
      return DEIS(order: order)
    },
    Kind("lms", "Adams–Bashforth in σ/m over uneven steps for the probability flow") { options, _ in
      LinearMultistep(order: try options.choice("order", default: 4, among: [1, 2, 3, 4], "of the polynomial, plus 1"))
    },
  ])

  private static func correction(_ options: Options) throws -> DPMSolverPP.Correction {
    try options.choice(
      "correction", default: DPMSolverPP.Correction.published,
      "by earlier D: as published, where that of 3M is half of what order 3 needs, or exact integrals")
  }

  private static func noise(_ options: Options) throws -> Double {
    try options.number("eta", default: 1, in: .nonNegative, "noise: 1 that of the reverse SDE, 0 none")
  }

  /// Solvers that are more than a loop of a predictor's steps.
  static let standardSolvers = Kinds<any Solver>([
    Kind("predictor-corrector", "a corrector, then a predictor, at every step") { options, catalogue in
      let predictor = try options.kind(
        "predictor", of: catalogue.predictors, default: "reverse-diffusion", in: catalogue, "the predictor")
      let corrector = try options.kind(
        "corrector", of: catalogue.correctors, default: "langevin", in: catalogue, "the corrector")
      return try stepping(predictor, corrector: corrector, options, catalogue)
    },
    Kind("probability-flow", "the probability-flow ODE through GSL's adaptive steppers") { options, catalogue in
      let integrator = try options.kind(
        "integrator", of: catalogue.integrators, default: "rkf45", in: catalogue,
        "the stepper; rk1imp, rk2imp, rk4imp, bsimp and msbdf need an exact or empirical score")
      let rtol = try options.number("rtol", default: 1e-5, in: .nonNegative, "relative tolerance")
      let atol = try options.number("atol", default: 1e-5, in: .positive, "absolute tolerance")
      let first = try options.number("first_step", default: 0.01, in: .positive, "the first step tried")
      let maximumSteps = try options.integer(
        "max_steps", default: 100_000, atLeast: 1, "steps allowed, rejected ones included")
      let control = try control(options)
      let dense = try options.integer(
        "dense", default: 0, atLeast: 0, atMost: 1_000_000,
        "trajectories at this many equal intervals, by interpolation; 0: at the accepted steps")
      let setting = IntegratorSetting(
        rtol: rtol, atol: atol, firstStep: first, maximumSteps: maximumSteps, control: control)
      return ProbabilityFlow(integrator.make(setting), dense: dense)
    },
    Kind("adaptive", "a method with an error estimate under a step-size controller; its noise is a Brownian path") {
      options, catalogue in
      let embedded = catalogue.predictors.where({ $0.embedded != nil }, in: catalogue)
      let predictor = try options.kind(
        "method", of: embedded, default: "stochastic-heun", in: catalogue, "a method with an error estimate")
      guard let method = predictor.embedded else {
        throw options.wrong("method", "gives no error estimate with churn; allowed: s_churn: 0")
      }
      let (rtol, atol, first, maximumSteps) = try tolerances(options, rtol: 0.01, atol: 0.01)
      let integral = try options.number("i_coefficient", default: 1, in: .positive, "of the controller: E^{−I/k}")
      let proportional = try options.number(
        "p_coefficient", default: 0, in: .nonNegative, "of the controller: (E_last/E)^{P/k}")
      let safety = try options.number(
        "safety", default: 0.9, in: .between(0, 1), "share of the step that would just do")
      return Adaptive(
        method, rtol: rtol, atol: atol, firstStep: first,
        controller: Adaptive.Controller(integral: integral, proportional: proportional, safety: safety),
        maximumSteps: maximumSteps)
    },
    Kind("jolicoeur-martineau", "the adaptive SDE solver of Jolicoeur-Martineau et al. 2021, on a Brownian path") {
      options, _ in
      let (rtol, atol, first, maximumSteps) = try tolerances(options, rtol: 0.05, atol: 0.0078)
      return Adaptive.jolicoeurMartineau(rtol: rtol, atol: atol, firstStep: first, maximumSteps: maximumSteps)
    },
    scheduler, flowMap, consistency,
    Kind("annealed-langevin", "annealed Langevin dynamics, NCSN's sampler") { options, catalogue in
      let levels = try options.integer("steps", example: 10, atLeast: 1, atMost: 10_000_000, "noise levels from T to ε")
      let each = try options.integer(
        "steps_per_level", default: 100, atLeast: 1, atMost: 1_000_000, "Langevin steps at a level")
      let size = try options.number(
        "step_size", default: 0.2, in: .between(0, 4), "α of a step over (σ/m)² of its level")
      let grid = try options.kind(
        "grid", of: catalogue.grids, default: "log-snr", in: catalogue, "spacing of the levels")
      return AnnealedLangevin(levels: levels, stepsPerLevel: each, stepSize: size, grid: grid)
    },
  ])

  private enum ControlKind: String, CaseIterable { case y, yp, standard, scaled }

  private static func control(_ options: Options) throws -> GSLIntegrator.Control {
    let kind = try options.choice(
      "control", default: ControlKind.y, "GSL's: what rtol is relative to: x, h dx/dt, both, or both with atol scaled")
    let isWeighted = kind == .standard || kind == .scaled
    let (ay, adydt) = try options.only(if: isWeighted, needs: "control: standard or scaled") {
      (
        try options.number("a_y", default: 1, in: .nonNegative, "weight of |x|, for standard and scaled"),
        try options.number("a_dydt", default: 0, in: .nonNegative, "weight of h |dx/dt|, likewise")
      )
    }
    let scale = try options.only(if: kind == .scaled, needs: "control: scaled") {
      try options.number("scale", default: 1, in: .positive, "factor of atol, for scaled")
    }
    switch kind {
    case .y: return .y
    case .yp: return .yp
    case .standard: return .standard(ay: ay, adydt: adydt)
    case .scaled: return .scaled(ay: ay, adydt: adydt, scale: scale)
    }
  }

  private static func tolerances(
    _ options: Options, rtol: Double, atol: Double
  ) throws -> (rtol: Double, atol: Double, firstStep: Double, maximumSteps: Int) {
    (
      try options.number("rtol", default: rtol, in: .nonNegative, "relative tolerance"),
      try options.number("atol", default: atol, in: .positive, "absolute tolerance"),
      try options.number("first_step", default: 0.01, in: .positive, "the first step tried, in t/T or ln(m/σ)"),
      try options.integer("max_steps", default: 100_000, atLeast: 1, "steps allowed, rejected ones included")
    )
  }

  static let standardCorrectors = Kinds<any Corrector>([
    Kind("langevin", "unadjusted Langevin dynamics") { options, _ in
      let snr = try options.number("snr", default: 0.16, in: .between(0, 1), "signal-to-noise ratio of a step")
      let steps = try options.integer(
        "steps", default: 1, atLeast: 1, atMost: 1_000_000, "corrector steps per predictor step")
      let rule = try options.choice(
        "rule", default: Langevin.Rule.time, "step size by t alone, or by norms averaged over a block of rows")
      return Langevin(snr: snr, steps: steps, rule: rule)
    },
    Kind("mala", "Metropolis-adjusted Langevin steps, which leave pₜ unchanged") { options, _ in
      let snr = try options.number("snr", default: 0.16, in: .between(0, 1), "signal-to-noise ratio of a step")
      let steps = try options.integer(
        "steps", default: 1, atLeast: 1, atMost: 1_000_000, "corrector steps per predictor step")
      return MetropolisLangevin(snr: snr, steps: steps)
    },
  ])
}

/// A loop of a predictor's steps, with what a config says of them.
func stepping(
  _ predictor: any Predictor, corrector: (any Corrector)? = nil, _ options: Options, _ catalogue: Catalogue
) throws -> FixedSteps {
  let steps = try options.integer("steps", example: 100, atLeast: 1, atMost: 10_000_000, "intervals from T to ε")
  let grid = try options.kind(
    "grid", of: catalogue.grids, or: "shared", in: catalogue, "its own spacing; shared: that of `sampling`")
  let last = try options.choice(
    "last_step", default: FixedSteps.LastStep.auto,
    "order of the step to ε: first, full, or first where it is over twice as long in ln(σ/m) as the one before")
  if !predictor.hasLowerOrders { try options.refuse("last_step", needs: "a method of order 2 or more") }
  return FixedSteps(predictor, corrector: corrector, steps: steps, grid: grid, lastStep: last)
}
