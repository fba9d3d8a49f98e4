// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Solvers
import Testing

@Suite("Strong convergence") struct ConvergenceTests {
  private static let steps = [64, 128, 256, 512]
  private static let reference = 4096

  /// Root mean squares of the differences from Euler–Maruyama with `reference` steps.
  private func errors(_ predictor: any Predictor, path: (any BrownianPath)?) throws -> [Double] {
    let sampler = sampler(.vp, try .gaussian(mean: [0.5], deviation: 0.7), seed: 11, path: path)
    func draw(_ predictor: any Predictor, _ steps: Int) throws -> [Double] {
      try sampler.draw(1024, with: FixedSteps(predictor, steps: steps), denoise: false).batch.values
    }
    let exact = try draw(EulerMaruyama(), Self.reference)
    return try Self.steps.map { steps in
      pairs(try draw(predictor, steps), exact).map { ($0 - $1) * ($0 - $1) }.mean.squareRoot()
    }
  }

  /// −slope of log error over log N, by least squares.
  private func order(_ errors: [Double]) -> Double {
    let x = Self.steps.map { log(Double($0)) }
    let y = errors.map { log($0) }
    let (meanX, meanY) = (x.mean, y.mean)
    return -pairs(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
      / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
  }

  private var coupled: CoupledPath {
    CoupledPath(seed: 11, duration: 1, depth: CoupledPath.depth(for: Self.reference))
  }

  @Test("on coupled paths Euler–Maruyama converges strongly with order 1") func eulerMaruyama() throws {
    let errors = try errors(EulerMaruyama(), path: coupled)
    // Order 1, as the noise does not depend on the state. The reference's own error, 1/8 of that at 512 steps, adds
    // 0.06 to the slope; 64 steps (h β = 0.3 at the start) are not quite in the regime of the law; 1,024 paths
    // know an error to 2 %.
    #expect((0.85...1.2).contains(order(errors)), "errors \(errors), order \(order(errors))")
    #expect(errors[3] < 0.02)
  }

  @Test("predictors with the forward step's noise converge to the same limit with order 1") func kernelSteps() throws {
    for predictor in [ReverseDiffusion(), Ancestral(variance: .transition)] as [any Predictor] {
      let errors = try errors(predictor, path: coupled)
      // As above.
      #expect((0.85...1.2).contains(order(errors)), "\(predictor): errors \(errors), order \(order(errors))")
    }
  }

  @Test("ancestral sampling with the posterior's noise converges to that limit too, more slowly") func posterior()
    throws
  {
    // Its noise falls short by the factor √(v(s)/v(t)), about 1 − c/j in the j-th step from the end, whatever the step
    // size h. In squares that sums to h Σ β (c/j)²: h β(0) for a constant β, so order ½ in the end, and h² log N
    // for β growing from almost 0, so order 1 but for the logarithm before.
    let errors = try errors(Ancestral(variance: .posterior), path: coupled)
    #expect((0.5...1).contains(order(errors)), "errors \(errors), order \(order(errors))")
    #expect(errors[3] < 0.02)
  }

  @Test("on independent noise there is nothing to converge to") func independent() throws {
    // Two independent draws of deviation 0.7 differ by about 1.
    #expect(try errors(EulerMaruyama(), path: nil).allSatisfy { $0 > 0.5 })
  }
}
