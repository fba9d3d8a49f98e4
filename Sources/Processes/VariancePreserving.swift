// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// dx = −½ β(t) x dt + √β(t) dw: a process that keeps unit variance (Song et al. 2021, eq. 11; the limit of DDPM).
///
/// Kernel: m = e^{−B(t)/2}, v = 1 − e^{−B(t)} with B = ∫β, from B(0) where the schedule begins with noise. Prior N(0,
/// I).
public protocol VariancePreserving: AffineSDE {
  /// β(t)
  var schedule: any BetaSchedule { get }
}

extension VariancePreserving {
  public var duration: Double { schedule.duration }
  public var samplingSpacing: TimeSpacing { schedule.samplingSpacing }
  public var samplingEpsilon: Double { schedule.samplingEpsilon }
  public var initialVariance: Double { -expm1(-schedule.initialIntegral) }
  public func driftRate(at t: Double) -> Double { -0.5 * schedule.rate(at: t) }
  public func diffusion(at t: Double) -> Double { schedule.rate(at: t).squareRoot() }
  public var priorVariance: Double? { 1 }

  public func makeKernel() -> any PerturbationKernel {
    let schedule = schedule
    return ClosedFormKernel { t in
      let integral = schedule.initialIntegral + schedule.integral(to: t)
      return Moments(scale: exp(-0.5 * integral), variance: -expm1(-integral))
    }
  }
}

/// The variance-preserving SDE, by default with β from 0.1 to 20.
public struct VPSDE: VariancePreserving {
  /// β(t)
  public let schedule: any BetaSchedule
  /// The process of a schedule, by default with β from 0.1 to 20.
  public init(_ schedule: any BetaSchedule = LinearBeta()) { self.schedule = schedule }
}
