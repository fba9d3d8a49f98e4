// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// x_s = (x_t + q s(x_t, t)) / r + √variance z for the forward transition x_t = r x_s + √q z': ancestral sampling, with
/// the exact mean of x_s given x_t where the data is a point (Ho et al. 2020; Song et al. 2021, appendix F, eq. 47).
/// For every process with a scalar kernel.
public struct Ancestral: Predictor {
  /// The variance of a step's noise.
  public enum Variance: String, Sendable, CaseIterable {
    /// v(s) q / v(t): the variance of x_s given x_t and x_0. DDPM's "fixed small"; score_sde's VE.
    case posterior
    /// q: the variance of the forward step. DDPM's "fixed large"; score_sde's VP.
    case transition
  }

  /// The variance of a step's noise.
  public let variance: Variance

  public var requires: Requirements { .kernel }
  public var limit: Limit { .path }

  /// Ancestral sampling with noise of this variance.
  public init(variance: Variance = .posterior) { self.variance = variance }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper {
    try GaussianStep("ancestral", in: context, coefficients: coefficients)
  }

  func coefficients(later: Moments, earlier: Moments) -> GaussianTransition {
    let (r, q) = earlier.transition(to: later)
    let noise = variance == .posterior ? q * earlier.variance / later.variance : q
    return GaussianTransition(state: 1 / r, score: q / r, deviation: noise.squareRoot())
  }
}
