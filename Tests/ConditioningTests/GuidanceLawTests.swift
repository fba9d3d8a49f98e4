// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Processes
import Scores
import Solvers
import Testing

/// What classifier-free guidance samples: not p(x)^{1−w} p(x | c)^w, which is p(x) p(c | x)^w up to a factor, and what
/// instead.
@Suite("The law of classifier-free guidance") struct GuidanceLawTests {
  /// p = N(0, 2) and p(x | c) = N(0, 1) under σ(t) = t: all laws are normal and known. With τ = σ² the guided score is
  /// −a(τ) x, a = (1 − w)/(2 + τ) + w/(1 + τ). The flow dx/dτ = a x/2 gives variance 2^{1−w} as T grows (Bradley and
  /// Nakkiran 2024); the reverse SDE has dV/dτ = 2 a V − 1, and (2 − 2^{2−2w})/(2w − 1); the product of powers has
  /// 2/(1 + w).
  @Test("normal laws: the flow, the reverse SDE and the product of powers differ") func normal() throws {
    let (w, duration, epsilon) = (3.0, 80.0, 0.002)
    let process = PreparedProcess(EDM(duration))
    let kernel = try #require(process.scalarKernel)
    func score(_ deviation: Double) throws -> MixtureScore {
      MixtureScore(try GaussianMixture(weights: [1], means: [[0]], deviations: [deviation]), kernel: kernel)
    }
    let pair = ScorePair(with: try score(1), without: try score(2.0.squareRoot()))
    let problem = SamplingProblem(
      process: process, score: ExtrapolatedScore(pair, weight: w), dimension: 1, seed: 3, epsilon: epsilon)
    let sampler = Sampler(problem, threads: 2)
    let count = 20_000
    // The flow: every row is its prior draw times one factor.
    let (top, bottom) = (duration * duration, epsilon * epsilon)
    let factor = pow((2 + bottom) / (2 + top), (1 - w) / 2) * pow((1 + bottom) / (1 + top), w / 2)
    let prior = try sampler.prior(count)
    let flow = try sampler.draw(count, with: ProbabilityFlow(.rk8pd, rtol: 1e-10, atol: 1e-10), denoise: false).batch
    for i in 0..<count { #expect(abs(flow[i, 0] - factor * prior[i, 0]) < 1e-7 * max(1, abs(flow[i, 0]))) }
    let flowVariance = factor * factor * top
    #expect(abs(flowVariance - 0.25) < 0.001)
    // The reverse SDE: dV/dτ = 2 a V − 1 from V = T², by the integrating factor E(τ) = (2 + τ)^{2−2w} (1 + τ)^{2w},
    // V = E(τ)/E(T²) T² + E(τ) ∫ dτ′/E(τ′); the integral by Simpson's rule in ln(1 + τ).
    func growth(_ tau: Double) -> Double { pow(2 + tau, 2 - 2 * w) * pow(1 + tau, 2 * w) }
    let (n, low, high) = (4000, log1p(bottom), log1p(top))
    let h = (high - low) / Double(n)
    let integral =
      (0...n).reduce(0.0) { sum, k in
        let u = low + Double(k) * h
        let factor = k == 0 || k == n ? 1.0 : k % 2 == 1 ? 4 : 2
        return sum + factor * exp(u) / growth(expm1(u))
      } * h / 3
    let pathVariance = growth(bottom) * (top / growth(top) + integral)
    #expect(abs(pathVariance - (2 - pow(2, 2 - 2 * w)) / (2 * w - 1)) < 0.001)
    let path = try sampler.draw(
      count, with: FixedSteps(AdditiveRungeKutta(.shark), steps: 300), denoise: false
    ).batch
    let sampled = path.values.reduce(0) { $0 + $1 * $1 } / Double(count)
    // A variance of normals has deviation √(2/n) of itself: four of them, and 1 % for 300 steps.
    #expect(abs(sampled / pathVariance - 1) < 4 * (2 / Double(count)).squareRoot() + 0.01)
    // 0.25 and 0.3875, where 0.5 would be right for p(x) p(c | x)^w.
    let powers = 2 / (1 + w)
    #expect(flowVariance < 0.51 * powers && pathVariance < 0.78 * powers)
  }

  /// σ(t) = t on [0, σ_max].
  private struct EDM: VarianceExploding {
    let schedule: any SigmaSchedule
    init(_ maximum: Double) { schedule = LinearSigma(maximum) }
  }

  /// Two classes on the line, overlapping; class 0 has two modes.
  private static let line = ClassMixture(
    weights: [0.35, 0.15, 0.5], means: [[-1], [0.8], [0.6]], deviations: [0.45, 0.3, 0.6], classes: [0, 0, 1],
    process: PreparedProcess(VPSDE()))

  @Test("a mixture: samples have the density that the flow carries to the data, and not the product of powers")
  func mixture() throws {
    let (w, epsilon, count) = (3.0, 1e-3, 20_000)
    let mixture = Self.line
    let score = ExtrapolatedScore(try mixture.pair(given: .all(.label(0))), weight: w)
    let problem = SamplingProblem(process: mixture.process, score: score, dimension: 1, seed: 7, epsilon: epsilon)
    let samples = try Sampler(problem, threads: 2).draw(
      count, with: ProbabilityFlow(.rk8pd, rtol: 1e-8, atol: 1e-8), denoise: false
    ).batch.values.sorted()
    // The flow on the line keeps the order of points: F(x) = Φ(z) for the prior draw z that it carries to x.
    let ends = (0...200).map { k -> (x: Double, share: Double) in
      let z = -4.5 + 9 * Double(k) / 200
      return (carry(z, mixture, weight: w, to: epsilon), 0.5 * erfc(-z / 2.0.squareRoot()))
    }
    let carried = distance(samples) { x in interpolate(x, ends) }
    // Kolmogorov's distance of n draws from their own law is below 1.63/√n in 99 of 100 cases.
    #expect(carried < 1.63 / Double(count).squareRoot())
    // p_ε(x)^{1−w} p_ε(x | c)^w on a fine grid.
    let grid = (0...4000).map { -5 + 10 * Double($0) / 4000 }
    let powers = grid.map {
      pow(mixture.density([$0], at: epsilon, nil), 1 - w) * pow(mixture.density([$0], at: epsilon, 0), w)
    }
    let total = powers.reduce(0, +)
    var sum = 0.0
    let cumulative = zip(grid, powers).map { x, p -> (x: Double, share: Double) in
      sum += p / total
      return (x, sum)
    }
    let tilted = distance(samples) { x in interpolate(x, cumulative) }
    // The figures of Docs/Conditional.md.
    #expect(abs(tilted - Self.figures.distance) < 0.005, "\(tilted)")
    let mean = samples.reduce(0, +) / Double(count)
    let variance = samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    let powersMean = zip(grid, powers).reduce(0) { $0 + $1.0 * $1.1 } / total
    let powersVariance = zip(grid, powers).reduce(0) { $0 + ($1.0 - powersMean) * ($1.0 - powersMean) * $1.1 } / total
    let found = [mean, variance.squareRoot(), powersMean, powersVariance.squareRoot()]
    // Four deviations of a mean of 20,000.
    for (value, figure) in zip(found, Self.figures.moments) { #expect(abs(value - figure) < 0.02, "\(found)") }
  }

  /// Kolmogorov's distance to p p(c | x)^w; mean and deviation of samples, and of that law.
  private static let figures = (distance: 0.258, moments: [-1.214, 0.627, -1.012, 0.577])

  /// dx/dt = −β/2 (x + s) from T to ε, by the classical Runge–Kutta method in 400 steps of √t.
  private func carry(_ z: Double, _ mixture: ClassMixture, weight w: Double, to epsilon: Double) -> Double {
    func rate(_ x: Double, _ root: Double) -> Double {
      let t = root * root
      let (c, n) = (mixture.score([x], at: t, 0)[0], mixture.score([x], at: t, nil)[0])
      // β(t) = 0.1 + 19.9 t; dt = 2 √t d√t
      return -0.5 * (0.1 + 19.9 * t) * (x + n + w * (c - n)) * 2 * root
    }
    let (steps, end) = (400, epsilon.squareRoot())
    let h = (end - 1) / Double(steps)
    var x = z
    for k in 0..<steps {
      let r = 1 + Double(k) * h
      let k1 = rate(x, r)
      let k2 = rate(x + 0.5 * h * k1, r + 0.5 * h)
      let k3 = rate(x + 0.5 * h * k2, r + 0.5 * h)
      let k4 = rate(x + h * k3, r + h)
      x += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    }
    return x
  }

  private func interpolate(_ x: Double, _ table: [(x: Double, share: Double)]) -> Double {
    guard x > table[0].x, let last = table.last, x < last.x else { return x <= table[0].x ? 0 : 1 }
    var (low, high) = (0, table.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if table[middle].x <= x { low = middle } else { high = middle }
    }
    let part = (x - table[low].x) / (table[high].x - table[low].x)
    return table[low].share + part * (table[high].share - table[low].share)
  }

  /// The largest difference between the distribution function of samples, in rising order, and another.
  private func distance(_ samples: [Double], _ law: (Double) -> Double) -> Double {
    let n = Double(samples.count)
    return samples.enumerated().reduce(0) { worst, sample in
      let share = law(sample.element)
      return max(worst, abs(share - Double(sample.offset) / n), abs(share - Double(sample.offset + 1) / n))
    }
  }
}
