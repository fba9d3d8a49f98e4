// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The noise levels of a discrete model, i = 0 … N − 1, at t = (i + 1)/N; between them, and down to t = 0, log ᾱ is
/// linear: β is constant on each interval, −N ln(1 − β_i).
public struct DiscreteBeta: BetaSchedule {
  /// −ln ᾱ at t = 0, 1/N, …, 1
  private let integrals: [Double]
  /// N
  public var levels: Int { integrals.count - 1 }
  /// Equal steps of t, unless β_i is so large somewhere that explicit steps as long as an interval are unstable.
  public let samplingSpacing: TimeSpacing

  /// - Parameter betas: β_i of DDPM's forward steps, each in (0, 1).
  /// - Throws: `InputError` for a number outside.
  public init(betas: [Double]) throws {
    guard !betas.isEmpty else { throw InputError("a schedule of no noise levels") }
    var integrals = [0.0]
    for (index, beta) in betas.enumerated() {
      guard beta > 0, beta < 1 else { throw InputError("β_\(index) is \(beta); allowed: above 0 and below 1") }
      integrals.append(integrals[index] - log1p(-beta))
    }
    self.init(integrals: integrals)
  }

  /// N levels of any schedule, at equal steps of its time, which becomes [0, 1]: 1 − β_i = ᾱ((i + 1) T/N)/ᾱ(i T/N), so
  /// that ᾱ of every level is the schedule's own. Noise that is there at t = 0 belongs to β_0.
  /// - Precondition: levels > 0.
  public init(of schedule: any BetaSchedule, levels: Int) {
    precondition(levels > 0, "N > 0")
    let integrals = (1...levels).map {
      schedule.initialIntegral + schedule.integral(to: schedule.duration * Double($0) / Double(levels))
    }
    self.init(integrals: [0] + integrals, spacing: schedule.samplingSpacing)
  }

  private init(integrals: [Double], spacing: TimeSpacing = .uniform) {
    self.integrals = integrals
    let largest = zip(integrals, integrals.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) }
    // β_i above ½
    samplingSpacing = spacing == .uniform && largest > log(2) ? .logSignalToNoise : spacing
  }

  /// β_i of DDPM's forward steps x_i = √(1 − β_i) x_{i−1} + √β_i z, i = 0 … N − 1.
  public var betas: [Double] { zip(integrals, integrals.dropFirst()).map { -expm1($0 - $1) } }

  /// ᾱ_i = Π (1 − β_j), j ≤ i: what diffusers calls `alphas_cumprod`.
  public var alphaBars: [Double] { integrals.dropFirst().map { exp(-$0) } }

  /// DDPM's own schedule: equal steps from first to last (Ho et al. 2020).
  public static func linear(_ first: Double, _ last: Double, levels: Int) throws -> DiscreteBeta {
    try DiscreteBeta(betas: spaced(first, last, levels))
  }

  /// Equal steps in √β (latent diffusion).
  public static func scaledLinear(_ first: Double, _ last: Double, levels: Int) throws -> DiscreteBeta {
    try DiscreteBeta(betas: spaced(first.squareRoot(), last.squareRoot(), levels).map { $0 * $0 })
  }

  /// β on a logistic curve from −6 to 6 between first and last (Xu et al. 2022).
  public static func sigmoid(_ first: Double, _ last: Double, levels: Int) throws -> DiscreteBeta {
    try DiscreteBeta(betas: spaced(-6, 6, levels).map { first + (last - first) / (1 + exp(-$0)) })
  }

  /// The cosine schedule with β ≤ 0.999 (Nichol and Dhariwal 2021).
  public static func cosine(levels: Int) throws -> DiscreteBeta {
    try capped(levels: levels) { t in
      let c = cos((t + 0.008) / 1.008 * .pi / 2)
      return c * c
    }
  }

  /// β_i = min(0.999, 1 − a((i + 1)/N)/a(i/N)) for a falling curve a(t) on [0, 1], which is ᾱ as long as no β is cut.
  /// - Throws: `InputError` where the curve does not fall.
  public static func capped(levels: Int, _ curve: (Double) -> Double) throws -> DiscreteBeta {
    try DiscreteBeta(
      betas: (0..<levels).map {
        min(0.999, 1 - curve(Double($0 + 1) / Double(levels)) / curve(Double($0) / Double(levels)))
      })
  }

  /// The same levels with √ᾱ shifted and scaled so that the first stays and the last is 0 (Lin et al. 2024, algorithm
  /// 1). As a process needs some signal, the last ᾱ is 2⁻²⁴, as in diffusers' schedulers of σ, or half of the one
  /// before where that is less.
  /// - Precondition: two levels or more.
  public func withZeroTerminalSignal() -> DiscreteBeta {
    precondition(levels > 1, "two levels or more")
    let roots = integrals.dropFirst().map { exp(-0.5 * $0) }
    let (first, last) = (roots[0], roots[levels - 1])
    let rescaled = roots.dropLast().map { -2 * log(($0 - last) * first / (first - last)) }
    return DiscreteBeta(integrals: [0] + rescaled + [max(24 * log(2), rescaled[levels - 2] + log(2))])
  }

  /// The same levels as those that a network was trained on: it was told nothing of less noise than the first level's,
  /// so samplers stop there.
  public func asModelLevels() -> DiscreteBeta {
    var levels = self
    levels.firstLevel = 1 / Double(max(2, self.levels))
    return levels
  }

  /// The time of the first level, of levels that a network was trained on; 0 for a schedule that is a law of its own.
  public private(set) var firstLevel = 0.0
  public var samplingEpsilon: Double { max(firstLevel, safeEpsilon(1e-3, 1)) }

  private static func spaced(_ first: Double, _ last: Double, _ count: Int) -> [Double] {
    (0..<count).map { count == 1 ? first : first + (last - first) * Double($0) / Double(count - 1) }
  }

  private func interval(of t: Double) -> Int { min(levels - 1, max(0, Int(t * Double(levels)))) }

  public func rate(at t: Double) -> Double {
    let i = interval(of: t)
    return (integrals[i + 1] - integrals[i]) * Double(levels)
  }

  public func integral(to t: Double) -> Double {
    let i = interval(of: t)
    return integrals[i] + (t * Double(levels) - Double(i)) * (integrals[i + 1] - integrals[i])
  }
}
