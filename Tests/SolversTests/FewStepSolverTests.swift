// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Solvers
import Testing

/// The score of N(μ, d² I) with the exact map of its flow: X_{t→s}(x) = m_s μ + √((m_s² d² + v_s)/(m_t² d² + v_t))
/// (x − m_t μ).
private struct KnownFlow: Score {
  let base: any Score
  let kernel: any PerturbationKernel
  let mean: Double
  let deviation: Double
  let range: FlowMapRange

  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { try base.makeEvaluator(for: rows) }
  var traits: ScoreTraits { base.traits }
  var flowMap: (any FlowMap)? { Map(flow: self) }

  struct Map: FlowMap {
    let flow: KnownFlow
    var range: FlowMapRange { flow.range }
    func makeEvaluator(for rows: RowSpan) throws -> any FlowMapEvaluator { Evaluator(flow) }
  }

  final class Evaluator: FlowMapEvaluator {
    let flow: KnownFlow
    init(_ flow: KnownFlow) { self.flow = flow }
    func map(_ x: Rows, from t: Double, to s: Double, into y: Rows) throws {
      let (a, b) = (flow.kernel.moments(at: t), flow.kernel.moments(at: s))
      let d2 = flow.deviation * flow.deviation
      let factor = ((b.scale * b.scale * d2 + b.variance) / (a.scale * a.scale * d2 + a.variance)).squareRoot()
      for i in 0..<x.size { y.values[i] = b.scale * flow.mean + factor * (x.values[i] - a.scale * flow.mean) }
    }
    func map(
      _ x: Rows, from t: Double, to s: Double, into y: Rows, _ method: LogDeterminant,
      logDeterminants: UnsafeMutablePointer<Double>
    ) throws {
      try map(x, from: t, to: s, into: y)
      let (a, b) = (flow.kernel.moments(at: t), flow.kernel.moments(at: s))
      let d2 = flow.deviation * flow.deviation
      let value = log((b.scale * b.scale * d2 + b.variance) / (a.scale * a.scale * d2 + a.variance))
      for i in 0..<x.count { logDeterminants[i] = Double(x.dimension) / 2 * value }
    }
  }
}

@Suite struct FewStepSolverTests {
  private let process = VPSDE()

  private func sampler(
    end: Double = 1e-3, anyTime: Bool = true, isScore: Bool = false, forward: Bool = true, divergence: Bool = true,
    grid: any TimeGrid = LogSignalToNoiseGrid(), threads: Int = 2
  ) throws -> Sampler {
    let law = try GaussianMixture(weights: [1], means: [[0.8, 0.8]], deviations: [0.4])
    let score = KnownFlow(
      base: law.score(under: process), kernel: process.makeKernel(), mean: 0.8, deviation: 0.4,
      range: FlowMapRange(
        end: end, reachesAnyTime: anyTime, isScore: isScore, goesForward: forward, hasDivergence: divergence))
    return Sampler(
      process: process, score: score, dimension: 2, seed: 3, epsilon: 1e-3, grid: grid, threads: threads)
  }

  @Test("steps of the exact map without noise end where the flow does, whatever their number", arguments: [1, 2, 5])
  func flow(steps: Int) throws {
    let sampler = try sampler(isScore: true)
    let exact = try sampler.draw(
      300, with: ProbabilityFlow(.rk8pd, rtol: 1e-10, atol: 1e-10), denoise: false)
    let found = try sampler.draw(300, with: FlowMapSolver(steps: steps))
    for (a, b) in zip(found.batch.values, exact.batch.values) {
      // The reference's tolerance, over a hundred steps.
      #expect(abs(a - b) < 1e-8)
    }
    #expect(found.statistics.nfe == Double(steps) && found.statistics.nfeMax == steps)
    #expect(found.statistics.accepted == Double(steps))
  }

  @Test(
    "with noise between steps the law stays that of the data, and the rows do not",
    arguments: ["consistency", "noise 1", "noise 0.4"])
  func law(name: String) throws {
    let sampler = try sampler()
    let solver: any Solver =
      switch name {
      case "consistency": ConsistencySolver(steps: 3)
      case "noise 1": FlowMapSolver(steps: 3, noise: 1)
      default: FlowMapSolver(steps: 3, noise: 0.4)
      }
    let found = try sampler.draw(20_000, with: solver)
    #expect(found.statistics.nfe == 3 && solver.limit == .law)
    let moments = process.makeKernel().moments(at: 1e-3)
    let variance = moments.scale * moments.scale * 0.16 + moments.variance
    for j in 0..<2 {
      // 20,000 rows: 5 standard errors of a mean are 0.035 deviations, of a variance 5 %.
      #expect(abs(found.batch.column(j).mean - moments.scale * 0.8) < 0.035 * variance.squareRoot() + 1e-3)
      #expect(abs(found.batch.column(j).variance / variance - 1) < 0.05)
    }
    let one = try sampler.draw(20_000, with: FlowMapSolver(steps: 1))
    let distances = zip(one.batch.values, found.batch.values).map { abs($0 - $1) }
    #expect(distances.reduce(0, +) / Double(distances.count) > 0.02)
  }

  @Test("samples are the same for any number of threads and of rows") func bytes() throws {
    for solver in [ConsistencySolver(steps: 2), FlowMapSolver(steps: 3, noise: 0.5)] as [any Solver] {
      let one = try sampler(threads: 1).draw(600, with: solver).batch
      #expect(try sampler(threads: 3).draw(600, with: solver).batch == one)
      #expect(try sampler().draw(257, with: solver).batch == one.prefix(257))
    }
  }

  @Test("what a solver cannot do is refused with the reason") func refusals() throws {
    func complaint(_ solver: any Solver, _ sampler: Sampler) -> String {
      #expect(throws: InputError.self) { try sampler.draw(4, with: solver) }?.message ?? ""
    }
    let alone = try sampler()
    #expect(complaint(ProbabilityFlow(.rkf45), alone).contains("flow map alone"))
    #expect(complaint(FixedSteps(EulerMaruyama(), steps: 4), alone).contains("flow map alone"))
    let law = try GaussianMixture(weights: [1], means: [[0.8, 0.8]], deviations: [0.4])
    let score = Sampler(process: process, score: law.score(under: process), dimension: 2, seed: 3)
    #expect(complaint(FlowMapSolver(steps: 1), score).contains("needs a flow map"))
    #expect(complaint(ConsistencySolver(steps: 1), score).contains("needs a flow map"))
    // A consistency function maps to its ε alone.
    let one = try sampler(anyTime: false)
    #expect(complaint(FlowMapSolver(steps: 2), one).contains("0.001 alone"))
    _ = try one.draw(4, with: FlowMapSolver(steps: 1))
    _ = try one.draw(4, with: FlowMapSolver(steps: 2, noise: 1))
    _ = try one.draw(4, with: ConsistencySolver(steps: 2))
    let other = try sampler(end: 2e-3, anyTime: false)
    #expect(complaint(FlowMapSolver(steps: 1), other).contains("sampling.epsilon"))
    #expect(complaint(ConsistencySolver(steps: 1), other).contains("sampling.epsilon"))
    #expect(complaint(FlowMapSolver(steps: 3), try sampler(end: 2e-3)).contains("0.002"))
  }

  @Test("log densities by the exact map are those of the law, in any number of steps", arguments: [1, 3, 8])
  func densities(steps: Int) throws {
    let sampler = try sampler(isScore: true)
    let points = NoiseStream(seed: 5, purpose: .data).normals(count: 300, dimension: 2)
    let moments = process.makeKernel().moments(at: 1e-3)
    let variance = moments.scale * moments.scale * 0.16 + moments.variance
    for method in LogDeterminant.allCases {
      let found = try sampler.logDensities(
        of: points,
        with: FlowMapLikelihood(steps: steps, epsilon: 1e-3, terminal: .exact, determinant: method))
      for row in 0..<300 {
        let square = points.row(row).reduce(0) { $0 + pow($1 - moments.scale * 0.8, 2) }
        let expected = -square / (2 * variance) - log(2 * Double.pi * variance)
        // Rounding of doubles, of densities of up to some hundred.
        #expect(abs(found.values[row] - expected) < 1e-10 * (1 + abs(expected)))
      }
      // With its Jacobian a map takes a product for each of two dimensions.
      #expect(found.statistics.nfe == Double(steps) * (method == .jacobian ? 3 : 1))
      #expect(found.standardErrors == nil && found.latents.count == 300)
    }
    // The prior's density at T in place of the law's is off by little.
    let prior = try sampler.logDensities(
      of: points, with: FlowMapLikelihood(steps: steps, epsilon: 1e-3, determinant: .divergence))
    let exact = try sampler.logDensities(
      of: points, with: FlowMapLikelihood(steps: steps, epsilon: 1e-3, terminal: .exact, determinant: .divergence))
    let gaps = zip(prior.values, exact.values).map { abs($0 - $1) }
    #expect(gaps.max()! > 1e-6 && gaps.max()! < 0.1)
  }

  @Test("densities that a map does not allow are refused with the reason, and a bad row costs itself alone")
  func densityRefusals() throws {
    let points = NoiseStream(seed: 5, purpose: .data).normals(count: 5, dimension: 2)
    func complaint(_ sampler: Sampler, epsilon: Double = 1e-3, _ method: LogDeterminant = .jacobian) -> String {
      let likelihood = FlowMapLikelihood(steps: 2, epsilon: epsilon, determinant: method)
      return #expect(throws: InputError.self) { try sampler.logDensities(of: points, with: likelihood) }?.message ?? ""
    }
    #expect(complaint(try sampler(forward: false)).contains("small ones alone"))
    #expect(complaint(try sampler(), epsilon: 1e-4).contains("from 0.001 on"))
    #expect(complaint(try sampler(divergence: false), .divergence).contains("no divergence"))
    let law = try GaussianMixture(weights: [1], means: [[0.8, 0.8]], deviations: [0.4])
    let score = Sampler(process: process, score: law.score(under: process), dimension: 2, seed: 3)
    #expect(complaint(score).contains("needs a flow map"))
    var bad = points
    bad[2, 1] = .infinity
    let likelihood = FlowMapLikelihood(steps: 2, epsilon: 1e-3, determinant: .jacobian)
    let good = try sampler().logDensities(of: points, with: likelihood)
    let found = try sampler().logDensities(of: bad, with: likelihood, badRows: .keepOthers)
    #expect(found.failures.keys.sorted() == [2] && found.values[2].isNaN)
    for row in [0, 1, 3, 4] { #expect(found.values[row] == good.values[row]) }
  }
}
