// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Glibc
import Processes
import Scores

/// Which times a network is trained at: the quantiles of their law, so that quantiles spread evenly give times spread
/// by that law.
public struct TrainingTimes: Sendable {
  private let plan: TrainingPlan
  private let kernel: any PerturbationKernel
  private let duration: Double

  /// The law of a plan's times.
  /// - Parameters:
  ///   - plan: says which law, and ε.
  ///   - kernel: of the process, which turns noise levels into times.
  ///   - duration: T.
  public init(_ plan: TrainingPlan, kernel: any PerturbationKernel, duration: Double) {
    self.plan = plan
    self.kernel = kernel
    self.duration = duration
  }

  /// σ/m at a time.
  public func noiseToSignal(at t: Double) -> Double { kernel.moments(at: t).noiseToSignal }

  /// The time below which the share u of the draws lies, 0 ≤ u < 1.
  public func time(atQuantile u: Double) -> Double {
    switch plan.noiseLevels {
    case .uniform:
      return plan.epsilon + (duration - plan.epsilon) * u
    case .logNormal:
      // σ̃ and with it the quantile grow with t. Φ⁻¹(0) = −∞ gives ε.
      let noiseToSignal = exp(plan.logMean + plan.logDeviation * gsl_cdf_ugaussian_Pinv(u))
      return kernel.time(ofNoiseToSignal: noiseToSignal, from: plan.epsilon, to: duration)
    }
  }
}
