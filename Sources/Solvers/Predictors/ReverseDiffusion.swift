// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// x_s = (2 − r) x_t + q s(x_t, t) + √q z for the forward transition x_t = r x_s + √q z': the reverse-time SDE
/// discretised as the forward one is (Song et al. 2021, appendix E, eq. 46). VP: r = √(1 − β_i), q = β_i; VE: r = 1, q
/// = σ_i² − σ_{i−1}². For every process with a scalar kernel.
public struct ReverseDiffusion: Predictor {
  /// The method has no parameters.
  public init() {}

  public var requires: Requirements { .kernel }
  public var limit: Limit { .path }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper {
    try GaussianStep("reverse-diffusion", in: context, coefficients: coefficients)
  }

  func coefficients(later: Moments, earlier: Moments) -> GaussianTransition {
    let (r, q) = earlier.transition(to: later)
    return GaussianTransition(state: 2 - r, score: q, deviation: q.squareRoot())
  }
}
