// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

/// Every process, under its exact score: sampling reaches the data's law, and the flow has its density.
@Suite("Processes under their exact scores") struct ProcessLawTests {
  static let names = [
    "iddpm", "rectified-flow", "rectified-flow to 1", "trigonometric", "table", "cld", "ou", "gbm", "integrated",
  ]

  /// A process of two formulas: its kernel is integrated.
  private struct Exponential: AffineSDE {
    func driftRate(at t: Double) -> Double { -0.5 * diffusion(at: t) * diffusion(at: t) }
    func diffusion(at t: Double) -> Double { (0.1 * pow(200, t)).squareRoot() }
    var priorVariance: Double? { 1 }
  }

  static func process(_ name: String) throws -> any SDE {
    switch name {
    case "iddpm": return VPSDE(try DiscreteBeta.cosine(levels: 1000))
    case "rectified-flow": return RectifiedFlow()
    case "rectified-flow to 1": return RectifiedFlow(end: 1)
    case "trigonometric": return TrigonometricInterpolant()
    case "table":
      let times = (0...60).map { 0.99 * Double($0) / 60 }
      return try TabulatedInterpolant(
        alpha: times.map { cos(0.5 * .pi * $0) }, sigma: times.map { sin(0.5 * .pi * $0) }, times: times)
    case "cld": return CriticallyDampedLangevin()
    case "ou": return try OrnsteinUhlenbeck(noise: [[1, 0.6], [0.6, 0.8]], relaxation: [[1.5, 0.3], [0.3, 0.8]])
    case "gbm": return GeometricBrownianMotion(volatility: 3, priorDeviation: 3.1)
    default: return Exponential()
    }
  }

  /// Centred, as the prior of a geometric Brownian motion is.
  private static func law(_ name: String) throws -> DataLaw {
    DataLaw(
      try GaussianMixture(
        weights: [0.4, 0.6], means: [[-0.9, 0.6], [0.6, -0.4]],
        covariances: [[[0.1, 0.03], [0.03, 0.05]], [[0.06, -0.02], [-0.02, 0.1]]]), isExponential: name == "gbm")
  }

  private static func sampler(_ name: String, epsilon: Double? = nil) throws -> Sampler {
    let (process, law) = (try process(name), try law(name))
    return Sampler(
      process: process, score: try #require(process.score(of: law)), dimension: 2, seed: 3, epsilon: epsilon)
  }

  /// The largest difference of means, variances and covariance from the mixture's, in units of the data's deviations.
  private func distance(_ samples: Batch, _ law: DataLaw) -> Double {
    let values = law.isExponential ? samples.values.map { log($0) } : samples.values
    let x = Batch(values: values, dimension: 2)
    let (mean, covariance) = (law.mixture.mean, law.mixture.covariance)
    var worst = 0.0
    for i in 0..<2 {
      let column = x.column(i)
      worst = max(worst, abs(column.mean - mean[i]) / covariance[i][i].squareRoot())
      for j in 0...i {
        let product = pairs(column, x.column(j)).map { ($0 - mean[i]) * ($1 - mean[j]) }
        worst = max(worst, abs(product.mean - covariance[i][j]) / (covariance[i][i] * covariance[j][j]).squareRoot())
      }
    }
    return worst.isNaN ? .infinity : worst
  }

  private static let rows = 16_384
  /// 4 standard errors of a variance (its largest moment: kurtosis below 3), and the weak error of some hundred steps;
  /// GBM's prior is not what its data becomes to 3 % of a variance.
  private static func tolerance(_ name: String) -> Double {
    4 * (2 / Double(rows)).squareRoot() + (name == "gbm" ? 0.06 : 0.03)
  }

  @Test("Euler–Maruyama returns to the data", arguments: names) func eulerMaruyama(_ name: String) throws {
    let solver = FixedSteps(EulerMaruyama(), steps: name == "gbm" ? 2000 : 400)
    let samples = try Self.sampler(name).draw(Self.rows, with: solver).batch
    #expect(samples.dimension == 2)
    let law = try Self.law(name)
    #expect(distance(samples, law) < Self.tolerance(name))
  }

  @Test("the probability flow returns to the data", arguments: names.filter { $0 != "gbm" })
  func flow(_ name: String) throws {
    let samples = try Self.sampler(name).draw(Self.rows, with: ProbabilityFlow(.rkf45)).batch
    let law = try Self.law(name)
    #expect(distance(samples, law) < Self.tolerance(name))
  }

  @Test("symmetric splitting returns to the data", arguments: names.filter { $0 != "gbm" })
  func splitting(_ name: String) throws {
    let samples = try Self.sampler(name).draw(
      Self.rows, with: FixedSteps(SymmetricSplitting(), steps: 100, grid: nil)
    ).batch
    let law = try Self.law(name)
    #expect(distance(samples, law) < Self.tolerance(name))
  }

  @Test("symmetric splitting is exact for data of the prior's law, in any number of steps", arguments: [1, 3])
  func splittingIsExact(steps: Int) throws {
    let mixture = try GaussianMixture(weights: [1], means: [[0, 0]], deviations: [1])
    let process = VPSDE()
    let sampler = Sampler(process: process, score: mixture.score(under: process), dimension: 2, seed: 3)
    let x = try sampler.draw(
      Self.rows, with: FixedSteps(SymmetricSplitting(), steps: steps), denoise: false
    ).batch
    for j in 0..<2 { #expect(abs(x.column(j).variance - 1) < 4 * (2 / Double(Self.rows)).squareRoot()) }
  }

  @Test("symmetric splitting refuses noise that depends on the state") func splittingRefuses() throws {
    #expect(throws: InputError("needs a linear process, whose noise does not depend on the state")) {
      try Self.sampler("gbm").draw(4, with: FixedSteps(SymmetricSplitting(), steps: 4))
    }
  }

  @Test("the flow's log density is the law's own", arguments: names) func likelihood(_ name: String) throws {
    let epsilon = 0.01
    let sampler = try Self.sampler(name, epsilon: epsilon)
    var points = try Self.law(name).mixture.draw(200, from: NoiseStream(seed: 9, purpose: .data))
    if name == "gbm" { points.values = points.values.map { exp($0) } }
    // A long path, in which GBM's coordinates grow to e^9, is followed to 1e-9 of them.
    let likelihood = Likelihood(
      GSLIntegrator(.rk8pd, rtol: 1e-9, atol: 1e-9), epsilon: epsilon, terminal: .exact, divergence: .exact)
    let result = try sampler.logDensities(of: points, with: likelihood)
    var states = try sampler.lifted(points)
    let exact = try states.withRows { x in
      let evaluator = try sampler.problem.score.makeEvaluator(for: x.span)
      var (density, auxiliary) = ([Double](repeating: 0, count: x.count), [Double](repeating: 0, count: x.count))
      try evaluator.logDensity(x, at: .all(epsilon), into: &density)
      sampler.problem.process.auxiliaryLogDensity(x, into: &auxiliary)
      return pairs(density, auxiliary).map { $0 - $1 }
    }
    // A hundred steps of 1e-9 of a log density up to 30; differences for GBM's derivative, 1e-9 each time unit. The
    // discrete schedule and the table have kinks, which GSL's step control meets to its tolerance; at the singular end
    // of a rectified flow the field is known to 5e-8.
    let tolerance = ["iddpm", "table", "rectified-flow to 1"].contains(name) ? 1e-5 : 1e-6
    for (a, b) in pairs(result.values, exact) { #expect(abs(a - b) < tolerance * (1 + abs(b))) }
  }

  @Test("codes decode to their points, states and all", arguments: ["cld", "ou", "rectified-flow"])
  func codes(_ name: String) throws {
    let sampler = try Self.sampler(name)
    let flow = ProbabilityFlow(.rk8pd, rtol: 1e-10, atol: 1e-10)
    let points = try Self.law(name).mixture.draw(50, from: NoiseStream(seed: 9, purpose: .data))
    let end = sampler.problem.process.duration
    let states = try sampler.lifted(points)
    let codes = try sampler.transport(states, from: 1e-3, to: end, with: flow).batch
    #expect(codes.dimension == (name == "cld" ? 4 : 2))
    let back = try sampler.projected(sampler.transport(codes, from: end, to: 1e-3, with: flow).batch)
    // What the way forth forgets, the way back magnifies: e^{ωB} ≈ 3,000 for CLD, less for the others.
    #expect(largestError(back, points) < 1e-5)
  }

  @Test("denoising a state is the step to 0 without noise") func denoising() throws {
    let sampler = try Self.sampler("cld", epsilon: 0.02)
    let solver = FixedSteps(EulerMaruyama(), steps: 50)
    let raw = try sampler.draw(8, with: solver, denoise: false)
    let mean = try sampler.draw(8, with: solver)
    #expect(mean.statistics.nfeMax == raw.statistics.nfeMax + 1)
    // dx = β v/M dt does not see the score: a step moves x by less than 0.02 · 16 · |v|, |v| ≤ 4 √M.
    for i in mean.batch.values.indices {
      let moved = abs(mean.batch.values[i] - raw.batch.values[i])
      #expect(moved > 0 && moved < 0.02 * 16 * 2)
    }
  }

  @Test("denoising with matrices is the mean of x₀: of one point, that point") func denoisingWithMatrices() throws {
    let process = try Self.process("ou")
    let points = GaussianMixture(points: Batch(rows: [[0.3, -0.7]]))
    let sampler = Sampler(
      process: process, score: try #require(process.score(of: DataLaw(points))), dimension: 2, seed: 3, epsilon: 0.1)
    let samples = try sampler.draw(8, with: FixedSteps(EulerMaruyama(), steps: 20)).batch
    for i in 0..<8 { for j in 0..<2 { #expect(abs(samples[i, j] - [0.3, -0.7][j]) < 1e-12) } }
  }

  @Test("symmetric splitting keeps its noise in steps so short that a position's is lost in rounding")
  func splittingInShortSteps() throws {
    let process = CriticallyDampedLangevin()
    let mixture = try GaussianMixture(weights: [1], means: [[0]], deviations: [1])
    let sampler = Sampler(
      process: process, score: try #require(process.score(of: DataLaw(mixture))), dimension: 1, seed: 3,
      epsilon: 1 - 1e-3)
    let steps = 2000
    let raw = try sampler.draw(4096, with: FixedSteps(SymmetricSplitting(), steps: steps), denoise: false).batch
    // From the prior, which data of its law keep: 4 standard errors of the variance of x.
    #expect(abs(raw.column(0).variance - 1) < 4 * (2 / 4096.0).squareRoot())
    let kernel = process.makeKernel()
    let (later, earlier) = (kernel.moments(at: 1), kernel.moments(at: 1 - 0.5e-3 / Double(steps)))
    let p = process.priorCovariance
    let r = later.propagator * earlier.propagator.inverse
    let q = p - p * r.transpose * p.inverse * r * p
    // A half step's noise of velocities: 2 Γ β h, and h = 2.5e-7.
    let root = q.semidefiniteRoot
    #expect(abs((root * root.transpose)[1, 1] / (2 * process.friction * 4 * 2.5e-7) - 1) < 1e-3)
  }

  @Test("who watches sees data, not states") func observers() throws {
    final class Watcher: StepObserver, @unchecked Sendable {
      var dimensions: Set<Int> = []
      func reached(_ x: Rows, step: Int, at time: Double) { dimensions.insert(x.dimension) }
    }
    let watcher = Watcher()
    let process = try Self.process("cld")
    let score = try #require(process.score(of: try Self.law("cld")))
    _ = try Sampler(process: process, score: score, dimension: 2, seed: 1, threads: 1)
      .draw(4, with: FixedSteps(EulerMaruyama(), steps: 3), observer: watcher)
    #expect(watcher.dimensions == [2])
  }
}
