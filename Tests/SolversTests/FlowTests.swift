// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Solvers
import Testing

@Suite("Probability flow") struct FlowTests {
  private static let (mean, deviation) = ([0.7, -1.2], 0.8)
  private static let points = Batch(rows: [[0.7, -1.2], [2, 0], [-3, 1], [0.1, 0.2], [-0.5, -4]])
  private static let pairs = Family.allCases.flatMap { family in
    GSLIntegrator.Method.allCases.map { (family, $0) }
  }

  /// On N(μ, s²) the flow keeps the standardised distance from the mean: x(s) = m_s μ + (x − m_t μ) √(V_s/V_t) with
  /// V = m² s² + v.
  private func exact(_ x: Batch, _ kernel: any PerturbationKernel, from t: Double, to s: Double) -> Batch {
    let (from, to) = (kernel.moments(at: t), kernel.moments(at: s))
    func variance(_ m: Moments) -> Double { m.scale * m.scale * Self.deviation * Self.deviation + m.variance }
    let stretch = (variance(to) / variance(from)).squareRoot()
    var result = x
    for i in 0..<x.count {
      for j in 0..<x.dimension {
        result[i, j] = to.scale * Self.mean[j] + (x[i, j] - from.scale * Self.mean[j]) * stretch
      }
    }
    return result
  }

  @Test("a Gaussian's flow has its closed form, backwards and forwards, by every method", arguments: pairs)
  func closedForm(family: Family, method: GSLIntegrator.Method) throws {
    let sampler = sampler(family, try .gaussian(mean: Self.mean, deviation: Self.deviation))
    let kernel = try #require(sampler.problem.kernel)
    // Third order at 1e-11 takes some 10⁴ steps, each of which may err by 1e-11; the others take some hundred. Of the
    // implicit ones, those of order 1, 2 and 4 get what 10⁴ steps can do, and the variable orders of bsimp and msbdf
    // more.
    let (tolerance, allowed) =
      switch method {
      case .rk1imp: (1e-7, 1e-3)
      case .rk2imp: (1e-9, 1e-5)
      case .rk4imp, .bsimp, .msbdf: (1e-10, 1e-6)
      default: (1e-11, 1e-8)
      }
    let flow = ProbabilityFlow(method, rtol: tolerance, atol: tolerance)
    let (start, end) = (sampler.problem.epsilon, sampler.problem.process.duration)
    for (t, s) in [(end, start), (start, end), (0.3, 0.6), (0.6, 0.3)] {
      let result = try sampler.transport(Self.points, from: t, to: s, with: flow)
      let error = largestError(result.batch, exact(Self.points, kernel, from: t, to: s))
      #expect(error < allowed, "from \(t) to \(s): \(error)")
      #expect(result.statistics.accepted >= 1)
    }
  }

  @Test("encoding and then decoding returns to the start", arguments: Family.allCases)
  func roundTrip(family: Family) throws {
    let mixture = try GaussianMixture.pair()
    let sampler = sampler(family, mixture)
    let data = mixture.draw(300, from: NoiseStream(seed: 5, purpose: .data))
    let (start, end) = (sampler.problem.epsilon, sampler.problem.process.duration)
    let tolerance = 1e-9
    let flow = ProbabilityFlow(.rkf45, rtol: tolerance, atol: tolerance)
    let codes = try sampler.transport(data, from: start, to: end, with: flow).batch
    let back = try sampler.transport(codes, from: end, to: start, with: flow).batch
    #expect(largestError(codes, data) > 0.1)
    // Some hundred steps, each of which may err by the tolerance, though most err by less.
    #expect(largestError(back, data) < 100 * tolerance)
  }

  @Test("equal times move nothing and cost nothing") func standstill() throws {
    let sampler = sampler(.vp, try .pair())
    let result = try sampler.transport(Self.points, from: 0.5, to: 0.5, with: ProbabilityFlow(.rkf45))
    #expect(result.batch == Self.points)
    #expect(result.statistics.nfe == 0 && result.statistics.accepted == 0)
  }

  @Test("drawing by the flow is the prior carried to ε and then denoised") func drawing() throws {
    let sampler = sampler(.vp, try .gaussian(mean: Self.mean, deviation: Self.deviation))
    let kernel = try #require(sampler.problem.kernel)
    let (epsilon, flow) = (sampler.problem.epsilon, ProbabilityFlow(.rk8pd, rtol: 1e-11, atol: 1e-11))
    let carried = exact(try sampler.prior(20), kernel, from: 1, to: epsilon)
    #expect(largestError(try sampler.draw(20, with: flow, denoise: false).batch, carried) < 1e-8)
    // Tweedie's mean of a Gaussian: μ + m s² (x − m μ)/V.
    let m = kernel.moments(at: epsilon)
    let s2 = Self.deviation * Self.deviation
    var denoised = carried
    for i in 0..<20 {
      for j in 0..<2 {
        let distance = carried[i, j] - m.scale * Self.mean[j]
        denoised[i, j] = Self.mean[j] + m.scale * s2 * distance / (m.scale * m.scale * s2 + m.variance)
      }
    }
    #expect(largestError(try sampler.draw(20, with: flow).batch, denoised) < 1e-8)
  }

  @Test("a flow that uses up its steps says which rows stand where") func stepLimit() throws {
    let sampler = sampler(.vp, try .pair())
    let flow = ProbabilityFlow(GSLIntegrator(.rkf45, rtol: 1e-8, atol: 1e-8, maximumSteps: 7))
    let error = #expect(throws: ComputationError.self) { try sampler.draw(300, with: flow) }
    guard case .stepLimit(let rows, let steps, let time, let method) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(method == "rkf45" && error?.description.contains("raise max_steps") == true)
    #expect(rows == 0..<256 && steps == 7 && time < 1 && time > sampler.problem.epsilon)
  }
}
