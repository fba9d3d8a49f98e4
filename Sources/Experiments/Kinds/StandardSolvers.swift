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
      let low = try options.number("s_min", default: 0, in: .nonNegative, "the smallest σ/m at which noise is added")
      let high = try options.number("s_max", or: "none", in: .nonNegative, "the largest σ/m at which noise is added")
      let noise = try options.number("s_noise", default: 1, in: .positive, "factor of the noise added")
      if let high, high < low { throw options.wrong("s_max", "is \(written(high)); allowed: at least s_min") }
      return Heun(churn: Heun.Churn(churn, from: low, to: high ?? .infinity, noise: noise))
    },
  ])

  /// Solvers that are more than a loop of a predictor's steps.
  static let standardSolvers = Kinds<any Solver>([
    Kind("predictor-corrector", "a corrector, then a predictor, at every step") { options, catalogue in
      let predictor = try options.kind(
        "predictor", of: catalogue.predictors, default: "reverse-diffusion", in: catalogue, "the predictor")
      let corrector = try options.kind(
        "corrector", of: catalogue.correctors, default: "langevin", in: catalogue, "the corrector")
      return try stepping(predictor, corrector: corrector, options, catalogue)
    },
    Kind("probability-flow", "the probability-flow ODE through GSL's adaptive steppers") { options, _ in
      let method = try options.choice(
        "integrator", default: GSLIntegrator.Method.rkf45, "GSL's stepper")
      let rtol = try options.number("rtol", default: 1e-5, in: .nonNegative, "relative tolerance")
      let atol = try options.number("atol", default: 1e-5, in: .positive, "absolute tolerance")
      let first = try options.number("first_step", default: 0.01, in: .positive, "the first step tried")
      let most = try options.integer("max_steps", default: 100_000, atLeast: 1, "steps allowed, rejected ones included")
      return ProbabilityFlow(
        GSLIntegrator(method, rtol: rtol, atol: atol, firstStep: first, maximumSteps: most))
    },
  ])

  static let standardCorrectors = Kinds<any Corrector>([
    Kind("langevin", "unadjusted Langevin dynamics") { options, _ in
      let snr = try options.number("snr", default: 0.16, in: .between(0, 1), "signal-to-noise ratio of a step")
      let steps = try options.integer("steps", default: 1, atLeast: 1, "corrector steps per predictor step")
      let rule = try options.choice(
        "rule", default: Langevin.Rule.time, "step size by t alone, or by norms averaged over a block of rows")
      return Langevin(snr: snr, steps: steps, rule: rule)
    }
  ])
}

/// A loop of a predictor's steps, with what a config says of them.
func stepping(
  _ predictor: any Predictor, corrector: (any Corrector)? = nil, _ options: Options, _ catalogue: Catalogue
) throws -> PredictorCorrector {
  let steps = try options.integer("steps", example: 100, atLeast: 1, "intervals from T to ε")
  let grid = try options.kind(
    "grid", of: catalogue.grids, or: "shared", in: catalogue, "its own spacing; shared: that of `sampling`")
  let last = try options.choice(
    "last_step", default: PredictorCorrector.LastStep.auto,
    "order of the step to ε: first, full, or first where it is over twice as long in ln(σ/m) as the one before")
  return PredictorCorrector(predictor, corrector: corrector, steps: steps, grid: grid, lastStep: last)
}
