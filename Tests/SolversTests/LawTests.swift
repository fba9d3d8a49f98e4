// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Solvers
import Testing

@Suite("Convergence in law") struct LawTests {
  /// With the order of the error of the variance, and where it ends.
  static let cases: [(name: String, predictor: any Predictor, corrector: (any Corrector)?, order: Double)] = [
    ("churn", EDMHeun(churn: .init(10)), nil, 2),
    ("predictor–corrector, mala", ReverseDiffusion(), MetropolisLangevin(), 1),
    ("predictor–corrector, langevin", ReverseDiffusion(), Langevin(), 1),
    ("ddim η = ½", DDIM(eta: 0.5), nil, 1),
    ("euler–maruyama", EulerMaruyama(), nil, 1),
    ("ancestral", Ancestral(), nil, 1),
  ]

  @Test("the deviation of a Gaussian's samples comes to the data's as steps become shorter", arguments: cases.indices)
  func gaussian(index: Int) throws {
    let (name, predictor, corrector, order) = Self.cases[index]
    let deviation = 0.5
    let sampler = sampler(.vp, try .gaussian(mean: [0], deviation: deviation))
    let count = 100_000
    let errors = try [10, 20, 40, 160].map { steps in
      let solver = FixedSteps(predictor, corrector: corrector, steps: steps, grid: LogSignalToNoiseGrid())
      // E x² is known to be the square: the mean is 0.
      let squares = try sampler.draw(count, with: solver, denoise: false).batch.values.reduce(0) { $0 + $1 * $1 }
      let moments = try #require(sampler.problem.kernel).moments(at: sampler.problem.epsilon)
      let exact = moments.scale * moments.scale * deviation * deviation + moments.variance
      return squares / Double(count) / exact - 1
    }
    // Four standard errors of a variance; the unadjusted Langevin step leaves it too large by up to snr² = 0.026.
    let noise = 4 * (2 / Double(count)).squareRoot()
    #expect(abs(errors[3]) < 0.04 + noise, "\(name): \(errors)")
    // Between 20 and 40 steps, where the next order adds up to a third to orders of 1.
    #expect(abs(log2(abs(errors[1] / errors[2])) - order) < 0.4, "\(name): \(errors)")
  }
}
