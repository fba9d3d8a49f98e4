// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

extension Catalogue {
  static let standardProcesses = Kinds<any SDE>([
    Kind("vp", "variance preserving: dx = −½ β x dt + √β dw") { options, catalogue in
      VPSDE(try beta(options, catalogue))
    },
    Kind("sub-vp", "sub-VP: dx = −½ β x dt + √(β (1 − e^{−2∫β})) dw") { options, catalogue in
      SubVPSDE(try beta(options, catalogue))
    },
    Kind("ve", "variance exploding: dx = √(dσ²/dt) dw") { options, catalogue in
      let schedule = try options.kind(
        "schedule", of: catalogue.schedules, or: "geometric", in: catalogue,
        "how noise grows; geometric: with sigma_min and sigma_max beside it")
      let own = try options.part(if: schedule == nil, needs: "schedule: geometric") { try geometricSigma($0) }
      return VESDE(schedule?.sigmas ?? own ?? GeometricSigma())
    },
    Kind("edm", "variance exploding with σ(t) = t up to T = σ_max (Karras et al. 2022)") { options, _ in
      VESDE(LinearSigma(try options.number("sigma_max", default: 80, in: .positive, "T")))
    },
    Kind("iddpm", "improved DDPM: VP through N discrete levels of the cosine schedule, β ≤ 0.999") { options, _ in
      VPSDE(try DiscreteBeta.cosine(levels: try levels(options, atLeast: 2)))
    },
    Kind("rectified-flow", "x_t = (1 − t) x₀ + t z: straight paths") { options, _ in
      RectifiedFlow(end: try end(options))
    },
    Kind("vp-interpolant", "x_t = cos(πt/2) x₀ + sin(πt/2) z") { options, _ in
      TrigonometricInterpolant(end: try end(options))
    },
    Kind("schedule", "x_t = α(t) x₀ + σ(t) z from tables of numbers") { options, _ in
      let alpha = try options.numbers("alpha", example: [1, 0.5, 0.1], "α, above 0; at least three")
      let sigma = try options.numbers("sigma", example: [0, 0.8, 1], "σ, as many; σ/α grows")
      let times = try options.numbers("times", or: "even", "rising from 0; even: from 0 to 1")
      let interpolation = try options.choice(
        "interpolation", default: TabulatedInterpolant.Interpolation.steffen, "between the numbers, by GSL")
      return try located(options) {
        try TabulatedInterpolant(alpha: alpha, sigma: sigma, times: times, interpolation: interpolation)
      }
    },
    Kind("formula", "dx = a(t) x dt + g(t) dw, or x_t = α(t) x₀ + σ(t) z, from formulas in t") { options, _ in
      try formula(options)
    },
    Kind("cld", "critically damped Langevin diffusion: positions and velocities, noise on velocities") {
      options, catalogue in
      let mass = try options.number("mass", default: 0.25, in: .positive, "M, with friction Γ = 2 √M")
      let share = try options.number(
        "gamma", default: 0.04, in: .closed(1e-6, 1000), "γ: velocities start from N(0, γ M)")
      let schedule = try options.kind(
        "schedule", of: catalogue.schedules, or: "constant", in: catalogue,
        "how β changes; constant: as beta beside it says")
      let rate = try options.part(if: schedule == nil, needs: "schedule: constant") {
        try $0.number("beta", default: 4, in: .positive, "β, constant")
      }
      let own = rate.map { LinearBeta($0, $0) } ?? LinearBeta()
      return CriticallyDampedLangevin(mass: mass, velocityShare: share, schedule: schedule?.betas ?? own)
    },
    Kind("ornstein-uhlenbeck", "dx = −½ β Θ x dt + √β Σ^½ dw: noise of full covariance") { options, catalogue in
      let noise = try options.matrix("noise", example: [[1]], "Σ, symmetric positive definite, of the data's dimension")
      let relaxation = try options.matrix("relaxation", or: "identity", "Θ, symmetric positive definite")
      let schedule = try beta(options, catalogue)
      return try located(options) {
        try OrnsteinUhlenbeck(noise: noise, relaxation: relaxation, schedule: schedule)
      }
    },
    Kind("geometric-brownian-motion", "dx = ½ ς² x dt + ς x dw on positive data; ln x is a Brownian motion") {
      options, _ in
      let volatility = try options.number("volatility", default: 2, in: .positive, "ς, of ln x at t = 1")
      let deviation = try options.number(
        "prior_deviation", or: "volatility", in: .positive,
        "of ln x at t = 1: with the data's own variance w it is √(ς² + w)")
      return GeometricBrownianMotion(volatility: volatility, priorDeviation: deviation)
    },
  ])

  private static func formula(_ options: Options) throws -> any SDE {
    let parameters = try options.namedNumbers("parameters", reserved: Expression.reserved, "that formulas may name")
    func expression(_ key: String, _ about: String) throws -> Expression? {
      try options.optionalText(key, allowed: "a formula", about).map { text in
        do {
          return try Expression(text, parameters: parameters)
        } catch let error as InputError {
          throw options.wrong(key, error.message)
        }
      }
    }
    let (rate, strength) = (
      try expression("drift_rate", "a(t), with diffusion"), try expression("diffusion", "g(t), with drift_rate")
    )
    let (alpha, sigma) = (try expression("alpha", "α(t), with sigma"), try expression("sigma", "σ(t), with alpha"))
    let duration = try options.number("duration", default: 1, in: .positive, "T")
    for name in parameters.keys.sorted() {
      let names = [rate, strength, alpha, sigma].compactMap { $0?.names }
      guard options.isDescribing || names.contains(where: { $0.contains(name) }) else {
        throw options.wrong("parameters", "'\(name)' has no effect; no formula names it")
      }
    }
    let integrated = try options.part(if: rate != nil || strength != nil, needs: "drift_rate and diffusion") {
      options in
      (
        initial: try options.number("initial_variance", default: 0, in: .nonNegative, "v(0), with drift_rate"),
        prior: try options.number("prior_variance", or: "kernel", in: .positive, "kernel: v(T), with drift_rate"),
        tolerance: try options.number(
          "tolerance", default: 1e-11, in: .between(0, 1), "of the integrated kernel, with drift_rate"),
        nodes: try options.integer(
          "nodes", default: 32_768, atLeast: 256, atMost: 4_194_304,
          "of the integrated kernel at most, with drift_rate")
      )
    }
    if let integrated {
      let (initial, prior, tolerance, nodes) = integrated
      guard let rate, let strength, alpha == nil, sigma == nil else {
        throw options.wrong("kind", "formula: allowed: drift_rate and diffusion, or alpha and sigma")
      }
      return try located(options) {
        try FormulaSDE(
          driftRate: rate, diffusion: strength, duration: duration, initialVariance: initial, priorVariance: prior,
          tolerance: tolerance, nodes: nodes)
      }
    }
    guard let alpha, let sigma else {
      throw options.wrong("kind", "formula: allowed: drift_rate and diffusion, or alpha and sigma")
    }
    return try located(options) { try FormulaInterpolant(alpha: alpha, sigma: sigma, duration: duration) }
  }

  private static func end(_ options: Options) throws -> Double {
    let end = try options.number(
      "end", default: 0.999, in: .positive, "T; 1 stands for 1 − 2⁻²⁶, where rates of the SDE have no bound")
    guard end <= 1 else { throw options.wrong("end", "is \(written(end)); allowed: above 0, at most 1") }
    return end
  }

  /// A process's own complaint, with the place of its section.
  static func located<Value>(_ options: Options, _ make: () throws -> Value) throws -> Value {
    try options.located("kind", prefix: "\(options.kindName): ", make)
  }

  private static func beta(_ options: Options, _ catalogue: Catalogue) throws -> any BetaSchedule {
    let schedule = try options.kind(
      "schedule", of: catalogue.schedules, or: "linear", in: catalogue,
      "how noise grows; linear: β with beta_min and beta_max beside it")
    let own = try options.part(if: schedule == nil, needs: "schedule: linear") { try linearBeta($0) }
    return schedule?.betas ?? own ?? LinearBeta()
  }

  static func linearBeta(_ options: Options) throws -> LinearBeta {
    let (low, high) = try betas(options, 0.1, 20)
    return LinearBeta(low, high)
  }

  static func betas(_ options: Options, _ first: Double, _ last: Double) throws -> (Double, Double) {
    let low = try options.number("beta_min", default: first, in: .positive, "β(0)")
    let high = try options.number("beta_max", default: last, in: .positive, "β(1)")
    guard high >= low else {
      throw options.wrong("beta_max", "is \(written(high)); allowed: at least beta_min, which is \(written(low))")
    }
    return (low, high)
  }

  static func geometricSigma(_ options: Options) throws -> GeometricSigma {
    let (low, high) = try sigmas(options, 0.01, 50)
    return GeometricSigma(low, high)
  }

  static func sigmas(_ options: Options, _ first: Double, _ last: Double) throws -> (Double, Double) {
    let low = try options.number("sigma_min", default: first, in: .positive, "σ(0), about the data's finest detail")
    let high = try options.number("sigma_max", default: last, in: .positive, "σ(1), about the data's largest distance")
    guard high > low else {
      throw options.wrong("sigma_max", "is \(written(high)); allowed: above sigma_min, which is \(written(low))")
    }
    return (low, high)
  }
}
