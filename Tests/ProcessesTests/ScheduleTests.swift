// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Testing

@Suite struct ScheduleTests {
  static let names = [
    "linear", "scaled-linear", "sigmoid", "cosine", "sigmoid-alpha", "ddpm", "iddpm", "geometric", "karras", "edm",
    "laplace", "cauchy", "ncsn", "shifted", "steep sigmoid-alpha", "wide laplace",
  ]

  static func named(_ name: String) throws -> any NoiseSchedule {
    switch name {
    case "linear": LinearBeta()
    case "scaled-linear": ScaledLinearBeta()
    case "sigmoid": SigmoidBeta()
    case "cosine": CosineBeta()
    case "sigmoid-alpha": SigmoidAlphaBeta(start: 0, stop: 3, temperature: 0.7)
    case "ddpm": try DiscreteBeta.linear(1e-4, 0.02, levels: 1000)
    case "iddpm": try DiscreteBeta.cosine(levels: 50)
    case "geometric": GeometricSigma()
    case "karras": KarrasSigma()
    case "edm": LinearSigma()
    case "steep sigmoid-alpha": SigmoidAlphaBeta(temperature: 0.1)
    case "wide laplace": LaplaceSigma(scale: 3)
    case "laplace": LaplaceSigma(mean: 0.3, scale: 0.7)
    case "cauchy": CauchySigma(location: -0.5, scale: 2)
    case "ncsn": try DiscreteSigma.geometric(0.01, 50, levels: 30)
    default: ShiftedSigma(CosineBeta().sigmas, by: 2)
    }
  }

  /// None of them on a level of the discrete ones.
  private static func times(_ duration: Double) -> [Double] {
    [0.0123, 0.0904, 0.2106, 0.4567, 0.5113, 0.7321, 0.9104, 0.9876].map { $0 * duration }
  }

  @Test(arguments: names) func ratesAreDerivatives(_ name: String) throws {
    let schedule = try Self.named(name)
    for t in Self.times(schedule.duration) {
      // Central differences of step h = 1e-6 T: their error is h² of the third derivative, at most 1e-6 of the rate for
      // schedules whose rates change on a scale of 1e-2 T or more, and rounding of 1e-16/1e-6 of the value.
      let h = 1e-6 * schedule.duration
      let (betas, sigmas) = (schedule.betas, schedule.sigmas)
      let rate = (betas.integral(to: t + h) - betas.integral(to: t - h)) / (2 * h)
      #expect(abs(rate / betas.rate(at: t) - 1) < 1e-5, "β of \(name) at \(t)")
      let (above, below) = (sigmas.deviation(at: t + h), sigmas.deviation(at: t - h))
      let variance = (above * above - below * below) / (2 * h)
      #expect(abs(variance / sigmas.varianceRate(at: t) - 1) < 1e-5, "σ² of \(name) at \(t)")
      #expect(above > below)
    }
  }

  @Test(arguments: names) func betasAndSigmasSayTheSame(_ name: String) throws {
    let schedule = try Self.named(name)
    let (betas, sigmas) = (schedule.betas, schedule.sigmas)
    let (back, forth) = (sigmas.betas, betas.sigmas)
    for t in Self.times(schedule.duration) {
      let total = betas.initialIntegral + betas.integral(to: t)
      #expect(abs(expm1(total).squareRoot() / sigmas.deviation(at: t) - 1) < 1e-12)
      #expect(abs(back.integral(to: t) / betas.integral(to: t) - 1) < 1e-12)
      #expect(abs(forth.deviation(at: t) / sigmas.deviation(at: t) - 1) < 1e-12)
    }
  }

  /// VP, sub-VP and VE of one schedule: their kernels solve the moment equations, and VP and VE have one σ̃.
  @Test(arguments: names) func anyProcessTakesAnySchedule(_ name: String) throws {
    let schedule = try Self.named(name)
    func difference(_ process: some AffineSDE) throws -> Double {
      let kernel = process.makeKernel()
      let integrated = IntegratedKernel(of: process, tolerance: 1e-10)
      let start = kernel.moments(at: 0).scale
      return Self.times(process.duration).reduce(0) { worst, t in
        let (a, b) = (kernel.moments(at: t), integrated.moments(at: t))
        return max(worst, max(abs(a.scale / start / b.scale - 1), abs(a.variance / b.variance - 1)))
      }
    }
    let isSmooth = !["ddpm", "iddpm", "ncsn"].contains(name)
    // Quadrature across kinks of β is right to the size of a cell only.
    let tolerance = isSmooth ? 1e-8 : 2e-3
    #expect(try difference(VPSDE(schedule.betas)) < tolerance)
    #expect(try difference(SubVPSDE(schedule.betas)) < tolerance)
    #expect(try difference(VESDE(schedule.sigmas)) < tolerance)
    let (vp, ve) = (VPSDE(schedule.betas).makeKernel(), VESDE(schedule.sigmas).makeKernel())
    for t in Self.times(schedule.duration) {
      let (a, b) = (vp.moments(at: t).noiseToSignal, ve.moments(at: t).noiseToSignal)
      #expect(abs(a / b - 1) < 1e-12)
    }
  }

  /// DDPM's forward step is x_i = √(1 − β_i) x_{i−1} + √β_i z.
  @Test func ddpmIsAnExactSpecialCase() throws {
    let levels = 1000
    let kernel = try VPSDE(DiscreteBeta.linear(1e-4, 0.02, levels: levels)).makeKernel()
    for i in [0, 1, 10, 499, 998, 999] {
      let beta = 1e-4 + (0.02 - 1e-4) * Double(i) / Double(levels - 1)
      let before = kernel.moments(at: Double(i) / Double(levels))
      let (r, q) = before.transition(to: kernel.moments(at: Double(i + 1) / Double(levels)))
      #expect(abs(r / (1 - beta).squareRoot() - 1) < 1e-12)
      #expect(abs(q / beta - 1) < 1e-10)
    }
  }

  /// NCSN's forward step adds a variance of σ_i² − σ_{i−1}².
  @Test func ncsnIsAnExactSpecialCase() throws {
    let (low, high, levels) = (0.01, 50.0, 10)
    let sigmas = (0..<levels).map { low * pow(high / low, Double($0) / Double(levels - 1)) }
    let process = VESDE(try DiscreteSigma.geometric(low, high, levels: levels))
    #expect(process.samplingEpsilon == 0.1)
    let kernel = process.makeKernel()
    for i in 1..<levels {
      let before = kernel.moments(at: Double(i) / Double(levels))
      let (r, q) = before.transition(to: kernel.moments(at: Double(i + 1) / Double(levels)))
      #expect(r == 1)
      #expect(abs(q / (sigmas[i] * sigmas[i] - sigmas[i - 1] * sigmas[i - 1]) - 1) < 1e-12)
    }
  }

  /// From continuous time to N levels and back: ᾱ and σ of a level are the schedule's own, and β_i make them up.
  @Test(arguments: names) func levelsOfAScheduleAreItsOwn(_ name: String) throws {
    let (schedule, levels) = (try Self.named(name), 40)
    let (betas, sigmas) = (
      DiscreteBeta(of: schedule.betas, levels: levels), DiscreteSigma(of: schedule.sigmas, levels: levels)
    )
    #expect(betas.levels == levels && sigmas.levels == levels)
    var (product, rounding) = (1.0, 1e-13)
    for i in 0..<levels {
      let t = schedule.duration * Double(i + 1) / Double(levels)
      let total = schedule.betas.initialIntegral + schedule.betas.integral(to: t)
      #expect(betas.betas[i] > 0 && betas.betas[i] < 1)
      product *= 1 - betas.betas[i]
      // 1 − β loses digits where β is near 1.
      rounding += 2e-16 / (1 - betas.betas[i])
      #expect(abs(product / exp(-total) - 1) < rounding)
      #expect(abs(betas.alphaBars[i] / exp(-total) - 1) < 1e-12)
      #expect(abs(betas.integral(to: Double(i + 1) / Double(levels)) / total - 1) < 1e-12)
      #expect(abs(sigmas.deviations[i] / schedule.sigmas.deviation(at: t) - 1) < 1e-12)
    }
  }

  /// Song et al. 2021, appendix B: DDPM's 1,000 levels are those of β from 0.1 to 20, to O(1/N); and of its own levels
  /// a discrete model makes itself.
  @Test func discreteModelsComeBack() throws {
    let ddpm = try DiscreteBeta.linear(1e-4, 0.02, levels: 1000)
    let ours = DiscreteBeta(of: LinearBeta(), levels: 1000)
    // 1 − exp(−β(t)/N) is β/N (1 − β/2N), 1 % at β = 20; and an interval's middle is half a level late, 1e-5 of β_i.
    for (a, b) in pairs(ours.betas, ddpm.betas) { #expect(abs(a - b) < 0.01 * b + 1e-5) }
    for (a, b) in pairs(DiscreteBeta(of: ddpm, levels: 1000).betas, ddpm.betas) { #expect(abs(a / b - 1) < 1e-10) }
    for (i, beta) in ddpm.betas.enumerated() {
      #expect(abs(beta / (1e-4 + (0.02 - 1e-4) * Double(i) / 999) - 1) < 1e-10)
    }
    let ncsn = try DiscreteSigma.geometric(0.01, 50, levels: 30)
    #expect(DiscreteSigma(of: ncsn, levels: 30).deviations == ncsn.deviations)
  }

  @Test func diffusersAgrees() throws {
    struct Fixture: Decodable {
      let levels: [Int]
      let schedules: [String: [Double]]
      let posterior: [[Double]]
    }
    let url = try #require(Bundle.module.url(forResource: "Fixtures/schedules", withExtension: "json"))
    let fixture = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: url))
    // 1 − β and their products in single precision: up to 1,000 roundings of 6e-8.
    func expectLevels(_ name: String, _ schedule: any NoiseSchedule, tolerance: Double) throws {
      for (level, value) in pairs(fixture.levels, try #require(fixture.schedules[name])) {
        let ours = exp(-schedule.betas.integral(to: Double(level + 1) / 1000))
        #expect(abs(ours - value) < tolerance * max(value, 1e-4), "\(name) \(level): \(ours), \(value)")
      }
    }
    try expectLevels("linear", try DiscreteBeta.linear(1e-4, 0.02, levels: 1000), tolerance: 6e-5)
    try expectLevels("scaled-linear", try DiscreteBeta.scaledLinear(0.00085, 0.012, levels: 1000), tolerance: 6e-5)
    try expectLevels("cosine", try DiscreteBeta.cosine(levels: 1000), tolerance: 6e-5)
    // Ours is its limit of many levels: −ln(1 − β) = β + β²/2 + …, and Σ β²/2 is up to 0.1 here.
    try expectLevels("sigmoid", SigmoidBeta(0.1, 20), tolerance: 0.1)
    // diffusers's Laplace is the root of what Hang et al. have, ᾱ = SNR/(1 + SNR).
    let laplace = LaplaceSigma()
    func bar(_ t: Double) -> Double { 1 / (1 + laplace.deviation(at: t) * laplace.deviation(at: t)) }
    for (level, value) in pairs(fixture.levels, try #require(fixture.schedules["laplace"])) {
      let ours = (bar(Double(level + 1) / 1000) / bar(0)).squareRoot()
      #expect(abs(ours / value - 1) < 1e-3, "laplace \(level): \(ours), \(value)")
    }
    // DDPM's posterior: x_s given x_t and x_0, from our transitions.
    let kernel = try VPSDE(DiscreteBeta.linear(1e-4, 0.02, levels: 1000)).makeKernel()
    for (level, expected) in pairs(fixture.levels.dropFirst(), fixture.posterior) {
      let (before, now) = (kernel.moments(at: Double(level) / 1000), kernel.moments(at: Double(level + 1) / 1000))
      let (r, q) = before.transition(to: now)
      let ours = [
        before.scale * q / now.variance, r * before.variance / now.variance, before.variance * q / now.variance,
      ]
      // diffusers divides by 1 − ᾱ in single precision, 2e-4 at the second level.
      for (a, b) in pairs(ours, expected) { #expect(abs(a / b - 1) < 1e-3, "\(level): \(ours), \(expected)") }
    }
  }

  @Test func wrongLevelsAreRefused() {
    #expect(throws: InputError.self) { try DiscreteBeta(betas: [0.1, 1]) }
    #expect(throws: InputError.self) { try DiscreteBeta(betas: []) }
    #expect(throws: InputError.self) { try DiscreteSigma(levels: [1, 1]) }
    #expect(throws: InputError.self) { try DiscreteSigma(levels: [0, 1]) }
  }
}
