// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Testing

@Suite("Interpolants") struct InterpolantTests {
  private static func tables(_ count: Int) -> (times: [Double], alpha: [Double], sigma: [Double]) {
    let times = (0..<count).map { 0.99 * Double($0) / Double(count - 1) }
    return (times, times.map { cos(0.5 * .pi * $0) }, times.map { sin(0.5 * .pi * $0) })
  }

  static func process(_ name: String) throws -> any Interpolant {
    switch name {
    case "rectified-flow": return RectifiedFlow()
    case "trigonometric": return TrigonometricInterpolant()
    default:
      let (times, alpha, sigma) = tables(40)
      return try TabulatedInterpolant(alpha: alpha, sigma: sigma, times: times)
    }
  }

  @Test("a and g have α and σ² as their moments", arguments: ["rectified-flow", "trigonometric", "table"])
  func moments(_ name: String) throws {
    let process = try Self.process(name)
    let kernel = process.makeKernel()
    let h = 1e-6
    for t in [0.003, 0.1, 0.41, 0.77, 0.95] {
      let (low, here, high) = (kernel.moments(at: t - h), kernel.moments(at: t), kernel.moments(at: t + h))
      let (a, g) = (process.driftRate(at: t), process.diffusion(at: t))
      // Central differences: h² of third derivatives up to 1e4, rounding 1e-16/h; 1e-5 where a table's second
      // derivative jumps.
      let tolerance = name == "table" ? 1e-5 : 1e-7
      #expect(abs((high.scale - low.scale) / (2 * h) - a * here.scale) < tolerance)
      #expect(abs((high.variance - low.variance) / (2 * h) - 2 * a * here.variance - g * g) < tolerance * (1 + g * g))
    }
  }

  @Test(
    "the velocity is finite where the signal ends: α̇ E[x₀] + σ̇ x/σ", arguments: ["rectified-flow", "trigonometric"])
  func velocityAtTheEnd(_ name: String) throws {
    let process: any Interpolant =
      name == "rectified-flow" ? RectifiedFlow(end: 1) : TrigonometricInterpolant(end: 1)
    let mixture = try GaussianMixtureTests.mixture("full")
    let score = try #require(process.score(of: DataLaw(mixture)))
    var x = GaussianMixtureTests.points
    let t = process.duration
    let s = try Evaluation(score, [t], at: x, along: x).score
    var (velocity, gradient) = (Batch(count: x.count, dimension: 3), s)
    x.withRows { x in
      gradient.withRows { s in velocity.withRows { process.addFlow(x, score: s, at: t, times: 1, to: $0) } }
    }
    for i in 0..<x.count {
      for j in 0..<3 {
        let expected =
          process.signal(at: t).rate * mixture.mean[j] + process.noise(at: t).rate * x[i, j]
          / process.noise(at: t).value
        // D from the score at α = 2⁻²⁶: 2⁻⁵³ · 2²⁶ of |x| ≤ 4 each, a few times; and D there is E[x₀] + O(α).
        #expect(abs(velocity[i, j] - expected) < 3e-7)
      }
    }
  }

  @Test("tables converge to the path they were taken from")
  func tables() throws {
    func error(_ count: Int, _ kind: TabulatedInterpolant.Interpolation) throws -> Double {
      let (times, alpha, sigma) = Self.tables(count)
      let process = try TabulatedInterpolant(alpha: alpha, sigma: sigma, times: times, interpolation: kind)
      return stride(from: 0.2, to: 0.8, by: 0.001).reduce(0) { worst, t in
        max(worst, abs(process.signal(at: t).value - cos(0.5 * .pi * t)))
      }
    }
    // Away from the ends a natural spline errs as h⁴, Steffen's method as h³ or better.
    #expect(try error(20, .cubic) / error(40, .cubic) > 12)
    #expect(try error(20, .steffen) / error(40, .steffen) > 6)
  }

  @Test func refusals() {
    func message(_ alpha: [Double], _ sigma: [Double], _ times: [Double]? = nil) -> String {
      do {
        _ = try TabulatedInterpolant(alpha: alpha, sigma: sigma, times: times)
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(message([1, 0.5], [0, 1]) == "alpha has 2 values; allowed: at least 3")
    #expect(message([1, 0.5, 0.1], [0, 1]) == "sigma has 2 values, alpha 3; allowed: equally many")
    #expect(message([1, 0.5, 0], [0, 0.5, 1]) == "alpha 3 is 0.0; allowed: above 0")
    #expect(message([1, 0.5, 0.1], [0, -0.5, 1]) == "sigma 2 is -0.5; allowed: 0 or more")
    #expect(message([1, 0.5, 0.4], [0, 0.9, 0.3]) == "sigma/alpha does not grow from 2 to 3; allowed: growing noise")
    #expect(message([1, 0.5, 0.1], [0, 0.5, 1], [0, 1, 1]) == "times 3 is 1.0, after 1.0; allowed: rising")
    #expect(message([1, 0.5, 0.1], [0, 0.5, 1], [0.1, 0.5, 1]) == "times begins at 0.1; allowed: 0")
  }
}
