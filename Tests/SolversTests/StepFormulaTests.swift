// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores
import Solvers
import Testing

/// Correctors and Langevin's levels against their formulas, with the noise that they are to take; and the parts of
/// solvers that only show in few problems.
@Suite("Formulas of steps") struct StepFormulaTests {
  private let process = VPSDE()
  private let span = RowSpan(first: 3, count: 4, dimension: 2)

  private func problem(grid: (any TimeGrid)? = nil) throws -> SamplingProblem {
    let mixture = try GaussianMixture(weights: [1], means: [[0.4, -1]], deviations: [0.6])
    return SamplingProblem(
      process: process, score: mixture.score(under: process), dimension: 2, seed: 5, epsilon: 0.2, grid: grid)
  }

  private func score(_ problem: SamplingProblem, _ x: Rows, at t: Double, into s: Rows) throws {
    try problem.score.makeEvaluator(for: span).evaluate(x, at: .all(t), into: s)
  }

  /// x + ε s + √(2ε) z, ε = 2 snr² v (Song et al. 2021, algorithm 5, by time).
  @Test("Langevin's corrector is its formula, step by step") func langevin() throws {
    let problem = try problem()
    let context = try SolveContext(problem, rows: span)
    let (x, s, z) = (context.makeRows(), context.makeRows(), context.makeRows())
    NoiseStream(seed: 1, purpose: .prior).normals(into: x, step: 0)
    let (t, snr, index) = (0.6, 0.2, 7)
    let size = 2 * snr * snr * process.makeKernel().moments(at: t).variance
    var expected = (0..<x.size).map { x.values[$0] }
    for k in 0..<2 {
      for i in 0..<x.size { z.values[i] = expected[i] }
      try score(problem, z, at: t, into: s)
      NoiseStream(seed: 5, purpose: .corrector).normals(into: z, step: 2 * index + k)
      for i in 0..<x.size { expected[i] += size * s.values[i] + (2 * size).squareRoot() * z.values[i] }
    }
    let corrector = try Langevin(snr: snr, steps: 2).makeStepper(in: context)
    try corrector.correct(x, Step(from: t, to: 0.5, index: index, count: 20))
    for i in 0..<x.size { #expect(abs(x.values[i] - expected[i]) < 1e-13) }
  }

  /// At each level x ← x + ½ α σ² s + √α σ z, in coordinates that follow m (Song and Ermon 2019, algorithm 1).
  @Test("annealed Langevin's step is its formula") func annealed() throws {
    let problem = try problem(grid: UniformGrid())
    let context = try SolveContext(problem, rows: span)
    let (x, s, z) = (context.makeRows(), context.makeRows(), context.makeRows())
    NoiseStream(seed: 1, purpose: .prior).normals(into: x, step: 0)
    let kernel = process.makeKernel()
    let (start, end) = (kernel.moments(at: 1), kernel.moments(at: 0.2))
    for i in 0..<x.size { z.values[i] = end.scale / start.scale * x.values[i] }
    try score(problem, z, at: 0.2, into: s)
    let scaled = (0..<x.size).map { z.values[$0] }
    NoiseStream(seed: 5, purpose: .corrector).normals(into: z, step: 0)
    let size = 0.3 * end.variance
    let expected = (0..<x.size).map { scaled[$0] + 0.5 * size * s.values[$0] + size.squareRoot() * z.values[$0] }
    _ = try AnnealedLangevin(levels: 1, stepsPerLevel: 1, stepSize: 0.3).solve(x, in: context)
    for i in 0..<x.size { #expect(abs(x.values[i] - expected[i]) < 1e-12 * (1 + abs(expected[i]))) }
  }

  /// h ← h · safety · E^(−(I + P)/k) · E_last^(P/k), within its limits (Hairer and Wanner 1996, section IV.2).
  @Test("the controller's factor is its formula") func controller() {
    let controller = Adaptive.Controller(integral: 0.7, proportional: 0.4)
    let factor = controller.factor(0.25, 0.5, order: 2)
    #expect(abs(factor - 0.9 * pow(0.25, -0.55) * pow(0.5, 0.2)) < 1e-15)
    #expect(controller.factor(1e9, 1, order: 2) == 0.2 && controller.factor(1e-9, 1, order: 2) == 10)
  }

  /// Implicit methods ask for it. That of a damped process is not symmetric.
  @Test("the flow's Jacobian is that of central differences") func jacobian() throws {
    let process = CriticallyDampedLangevin()
    let mixture = try GaussianMixture.pair()
    let score = try #require(process.score(of: DataLaw(mixture)))
    let problem = SamplingProblem(process: process, score: score, dimension: 2, seed: 1)
    let span = RowSpan(first: 0, count: 1, dimension: 4)
    let context = try SolveContext(problem, rows: span)
    let (x, up, down) = (context.makeRows(), context.makeRows(), context.makeRows())
    NoiseStream(seed: 2, purpose: .prior).normals(into: x, step: 0)
    let field = FlowField(context, rows: x)
    var (matrix, slope) = ([Double](repeating: 0, count: 16), [Double](repeating: 0, count: 4))
    try field.jacobian(0.4, x, into: &matrix, &slope)
    let h = 1e-5
    for j in 0..<4 {
      let value = x.values[j]
      x.values[j] = value + h
      try field.evaluate(0.4, x, into: up)
      x.values[j] = value - h
      try field.evaluate(0.4, x, into: down)
      x.values[j] = value
      for i in 0..<4 {
        let expected = (up.values[i] - down.values[i]) / (2 * h)
        #expect(abs(matrix[i * 4 + j] - expected) < 1e-6 * (1 + abs(expected)), "\(i), \(j)")
      }
    }
  }

  /// A Gaussian's divergence is the same everywhere, so that estimates differ by their probes alone.
  @Test("the standard errors of few probes are those of the estimates") func standardErrors() throws {
    let mixture = try GaussianMixture(
      weights: [1], means: [[0, 0, 0]], covariances: [[[1, 0.6, 0.2], [0.6, 0.8, 0.1], [0.2, 0.1, 0.5]]])
    let sampler = Sampler(process: process, score: mixture.score(under: process), dimension: 3, seed: 3)
    let points = mixture.draw(1000, from: NoiseStream(seed: 4, purpose: .data))
    func densities(_ divergence: Likelihood.Divergence) throws -> LogDensities {
      try sampler.logDensities(of: points, with: Likelihood(divergence: divergence))
    }
    let (found, exact) = (try densities(.hutchinson(probes: 2, .gaussian)), try densities(.exact))
    let errors = zip(found.values, exact.values).map { ($0 - $1) * ($0 - $1) }
    let squares = try #require(found.standardErrors).map { $0 * $0 }
    // Squares of some hundred degrees of freedom and more: 5 % each, and 4 of them.
    #expect(abs(errors.mean / squares.mean - 1) < 0.3)
  }
}
