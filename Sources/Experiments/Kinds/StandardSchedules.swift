// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes

extension Catalogue {
  /// Any of them says how noise grows in any process.
  static let standardSchedules = Kinds<any NoiseSchedule>([
    Kind("linear", "β rises linearly (Song et al. 2021)") { options, _ in try linearBeta(options) },
    Kind("scaled-linear", "√β rises linearly (Rombach et al. 2022)") { options, _ in
      let (low, high) = try betas(options, 0.85, 12)
      return ScaledLinearBeta(low, high)
    },
    Kind("sigmoid", "β rises along a logistic curve (Xu et al. 2022)") { options, _ in
      let (low, high) = try betas(options, 0.1, 20)
      return SigmoidBeta(low, high)
    },
    Kind("cosine", "ᾱ = cos²((t + s)/(1 + s) π/2)/cos²(s/(1 + s) π/2) (Nichol and Dhariwal 2021)") { options, _ in
      let offset = try options.number("offset", default: 0.008, in: .between(0, 1), "s")
      return CosineBeta(offset: offset, end: try end(options))
    },
    Kind("sigmoid-alpha", "ᾱ falls along a logistic curve from start to stop (Jabri et al. 2022)") { options, _ in
      let start = try options.number("start", default: -3, "where on the curve t = 0 is")
      let stop = try options.number("stop", default: 3, "where t = 1 is")
      guard stop > start else {
        throw options.wrong("stop", "is \(written(stop)); allowed: above start, which is \(written(start))")
      }
      let temperature = try options.number("temperature", default: 1, in: .positive, "τ, which widens the curve")
      // ᾱ is what the curve falls by, as a share: it must fall.
      guard tanh(0.5 * stop / temperature) - tanh(0.5 * start / temperature) > 1e-3 else {
        throw options.wrong(
          "stop", "is \(written(stop)): the curve hardly falls from start; allowed: more of its middle, about 0")
      }
      return SigmoidAlphaBeta(start: start, stop: stop, temperature: temperature, end: try end(options))
    },
    Kind("ddpm", "N discrete β, linear or linear in √β (Ho et al. 2020)") { options, _ in
      let first = try options.number("first", default: 1e-4, in: .between(0, 1), "β of the first level")
      let last = try options.number("last", default: 0.02, in: .between(0, 1), "β of the last level")
      let levels = try levels(options)
      let spacing = try options.choice("spacing", default: DiscreteSpacing.linear, "of β, or of √β")
      if levels == 1 { for key in ["last", "spacing"] { try options.refuse(key, needs: "levels: 2 or more") } }
      return try spacing == .linear
        ? DiscreteBeta.linear(first, last, levels: levels) : .scaledLinear(first, last, levels: levels)
    },
    Kind("iddpm", "N discrete levels of the cosine schedule, β ≤ 0.999 (Nichol and Dhariwal 2021)") { options, _ in
      try DiscreteBeta.cosine(levels: try levels(options, atLeast: 2))
    },
    Kind("betas", "discrete β as given") { options, _ in
      let betas = try options.numbers("betas", example: [0.1, 0.5], "each above 0 and below 1")
      do {
        return try DiscreteBeta(betas: betas)
      } catch let error as InputError {
        throw options.wrong("betas", error.message)
      }
    },
    Kind("geometric", "σ = σ_min (σ_max/σ_min)^t (Song et al. 2021)") { options, _ in try geometricSigma(options) },
    Kind("karras", "σ^{1/ρ} rises linearly (Karras et al. 2022)") { options, _ in
      let (low, high) = try sigmas(options, 0.002, 80)
      return KarrasSigma(low, high, rho: try options.number("rho", default: 7, in: .closed(0.1, 100), "ρ"))
    },
    Kind("laplace", "the log signal-to-noise ratio has a Laplace law (Hang et al. 2024)") { options, _ in
      let mean = try options.number("mean", default: 0, in: .closed(-50, 50), "μ of the log signal-to-noise ratio")
      let scale = try options.number("scale", default: 0.5, in: .between(0, 10), "b, its spread")
      return LaplaceSigma(mean: mean, scale: scale)
    },
    Kind("cauchy", "the log signal-to-noise ratio has a Cauchy law (Hang et al. 2024)") { options, _ in
      let location = try options.number("location", default: 0, in: .closed(-50, 50), "its middle")
      let scale = try options.number("scale", default: 1, in: .between(0, 100), "γ, its spread")
      let range = try options.number("range", default: 14, in: .between(0, 200), "how far from the middle it is cut")
      return CauchySigma(location: location, scale: scale, range: range)
    },
    Kind("ncsn", "N discrete σ, a geometric sequence (Song and Ermon 2019)") { options, _ in
      let (low, high) = try sigmas(options, 0.01, 50)
      let levels = try levels(options, atLeast: 2)
      return try located(options) { try DiscreteSigma.geometric(low, high, levels: levels) }
    },
    Kind("discrete", "N levels of another schedule, at equal steps of its time") { options, catalogue in
      let base = try options.kind("base", of: catalogue.schedules, default: "cosine", in: catalogue, "which")
      return DiscreteBeta(of: base.betas, levels: try levels(options))
    },
    Kind("shifted", "σ/m of another schedule, times a factor (Hoogeboom et al. 2023)") { options, catalogue in
      let base = try options.kind("base", of: catalogue.schedules, default: "cosine", in: catalogue, "which")
      let factor = try options.number("factor", default: 2, in: .positive, "for images of so many times the size")
      return ShiftedSigma(base.sigmas, by: factor)
    },
  ])

  static func levels(_ options: Options, atLeast low: Int = 1) throws -> Int {
    try options.integer("levels", default: 1000, atLeast: low, atMost: 1_000_000, "N")
  }

  private enum DiscreteSpacing: String, CaseIterable {
    case linear
    case scaledLinear = "scaled-linear"
  }

  private static func end(_ options: Options) throws -> Double? {
    let end = try options.number(
      "end", or: "safe", in: .between(0, 1), "T; safe: where ln(m/σ) = −5.1 (Lu et al. 2022), as β has no bound at 1")
    return end
  }
}
