// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Processes
import ScoreNetworks
import Solvers

extension Catalogue {
  static let standardProcesses = Kinds<any SDE>([
    Kind("vp", "variance preserving: dx = −½ β x dt + √β dw, linear β") { options, _ in
      VPSDE(try linearBeta(options))
    },
    Kind("sub-vp", "sub-VP: dx = −½ β x dt + √(β (1 − e^{−2∫β})) dw, linear β") { options, _ in
      SubVPSDE(try linearBeta(options))
    },
    Kind("ve", "variance exploding: σ(t) = σ_min (σ_max/σ_min)^t") { options, _ in
      let low = try options.number("sigma_min", default: 0.01, in: .positive, "σ(0), about the data's finest detail")
      let high = try options.number("sigma_max", default: 50, in: .positive, "σ(1), about the data's largest distance")
      guard high > low else {
        throw options.wrong("sigma_max", "is \(written(high)); allowed: above sigma_min, which is \(written(low))")
      }
      return VESDE(GeometricSigma(low, high))
    },
  ])

  private static func linearBeta(_ options: Options) throws -> LinearBeta {
    let low = try options.number("beta_min", default: 0.1, in: .positive, "β(0)")
    let high = try options.number("beta_max", default: 20, in: .positive, "β(1)")
    guard high >= low else {
      throw options.wrong("beta_max", "is \(written(high)); allowed: at least beta_min, which is \(written(low))")
    }
    return LinearBeta(low, high)
  }

  static let standardScores = Kinds<ScoreRecipe>([
    Kind("network", "a network, trained by this experiment") { options, catalogue in
      let prediction = try options.choice(
        "prediction", default: Prediction.noise, "what the network's output stands for")
      let deviation = try options.number(
        "sigma_data", or: "data", in: .positive,
        "σ_d of edm prediction and weighting; data: the standard deviation of all training values")
      let network = try options.kind("network", of: catalogue.networks, default: "mlp", in: catalogue, "the network")
      return .network(prediction, dataDeviation: deviation, network)
    },
    Kind("exact", "the exact score of data that is a Gaussian mixture") { _, _ in .exact },
    Kind("empirical", "the exact score of the training set itself, a mixture of points") { _, _ in .empirical },
    Kind("checkpoint", "a network trained by another experiment, on data of the same dimension") { options, _ in
      let path = try options.text(
        "path", example: "checkpoint.safetensors", allowed: "a file", "a checkpoint.safetensors, relative to the config"
      )
      return .checkpoint(path: options.source?.resolve(path) ?? path)
    },
  ])

  static let standardSolvers = Kinds<any Solver>([
    Kind("euler-maruyama", "the Euler–Maruyama step of the reverse SDE; any process") { options, catalogue in
      try stepping(EulerMaruyama(), options, catalogue)
    },
    Kind("reverse-diffusion", "the reverse SDE discretised as the forward one is") { options, catalogue in
      try stepping(ReverseDiffusion(), options, catalogue)
    },
    Kind("ancestral", "ancestral sampling, as DDPM and NCSN do") { options, catalogue in
      let predictor = try ancestral(options)
      return try stepping(predictor, options, catalogue)
    },
    Kind("predictor-corrector", "a corrector, then a predictor, at every step") { options, catalogue in
      let predictor = try options.kind(
        "predictor", of: catalogue.predictors, default: "reverse-diffusion", in: catalogue, "the predictor")
      let corrector = try options.kind(
        "corrector", of: catalogue.correctors, default: "langevin", in: catalogue, "the corrector")
      return try stepping(predictor, corrector: corrector, options, catalogue)
    },
    Kind("heun", "EDM's sampler: the probability flow in σ/m by Heun's method, with churn") {
      options, catalogue in
      let churn = try options.number("s_churn", default: 0, in: .nonNegative, "noise added over all steps; 0: none")
      let low = try options.number("s_min", default: 0, in: .nonNegative, "the smallest σ/m at which noise is added")
      let high = try options.number("s_max", or: "none", in: .nonNegative, "the largest σ/m at which noise is added")
      let noise = try options.number("s_noise", default: 1, in: .positive, "factor of the noise added")
      if let high, high < low { throw options.wrong("s_max", "is \(written(high)); allowed: at least s_min") }
      return Heun(
        steps: try options.integer("steps", example: 17, atLeast: 1, "intervals from T to ε"),
        churn: Heun.Churn(churn, from: low, to: high ?? .infinity, noise: noise), grid: try grid(options, catalogue))
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

  static let standardPredictors = Kinds<any Predictor>([
    Kind("euler-maruyama", "Euler–Maruyama") { _, _ in EulerMaruyama() },
    Kind("reverse-diffusion", "reverse diffusion") { _, _ in ReverseDiffusion() },
    Kind("ancestral", "ancestral sampling") { options, _ in try ancestral(options) },
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

  private static func ancestral(_ options: Options) throws -> Ancestral {
    Ancestral(
      variance: try options.choice(
        "variance", default: Ancestral.Variance.posterior, "of the noise added: v(s) q/v(t), or q"))
  }

  private static func stepping(
    _ predictor: any Predictor, corrector: (any Corrector)? = nil, _ options: Options, _ catalogue: Catalogue
  ) throws -> PredictorCorrector {
    let steps = try options.integer("steps", example: 100, atLeast: 1, "intervals from T to ε")
    return PredictorCorrector(predictor, corrector: corrector, steps: steps, grid: try grid(options, catalogue))
  }

  private static func grid(_ options: Options, _ catalogue: Catalogue) throws -> (any TimeGrid)? {
    try options.kind(
      "grid", of: catalogue.grids, or: "shared", in: catalogue, "its own spacing; shared: that of `sampling`")
  }

  static let standardGrids = Kinds<any TimeGrid>([
    Kind("uniform", "equal steps of t") { _, _ in UniformGrid() },
    Kind("karras", "equal steps of (σ/m)^{1/ρ}, from T to ε") { options, _ in
      KarrasGrid(rho: try options.number("rho", default: 7, in: .positive, "the larger, the more steps at low noise"))
    },
  ])

  static let standardMetrics = Kinds<any Metric>([
    Kind("sliced-wasserstein", "sliced Wasserstein distance of order 2, 256 projections") { _, _ in SlicedWasserstein()
    },
    Kind("mmd", "unbiased MMD², Gaussian kernels at ¼, ½, 1, 2, 4 times the median distance") { _, _ in
      MaximumMeanDiscrepancy()
    },
    Kind("energy-distance", "2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖, unbiased") { _, _ in EnergyDistance() },
  ])
}
