// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The sub-VP SDE  dx = −½ β x dt + √(β (1 − e^{−2B(t)})) dw, B = ∫β: its variance stays below that of VP
/// (Song et al. 2021, eq. 14).
///
/// Kernel: m = e^{−B/2}, v = (1 − e^{−B})². Prior N(0, I).
public struct SubVPSDE: AffineSDE {
  /// β(t)
  public let schedule: any BetaSchedule
  /// The process of a schedule, by default with β from 0.1 to 20.
  public init(_ schedule: any BetaSchedule = LinearBeta()) { self.schedule = schedule }

  public var duration: Double { schedule.duration }
  public var samplingSpacing: TimeSpacing { schedule.samplingSpacing }
  public var samplingEpsilon: Double { schedule.samplingEpsilon }
  public var initialVariance: Double { pow(-expm1(-schedule.initialIntegral), 2) }

  /// B
  private func integral(to t: Double) -> Double { schedule.initialIntegral + schedule.integral(to: t) }
  public func driftRate(at t: Double) -> Double { -0.5 * schedule.rate(at: t) }
  public func diffusion(at t: Double) -> Double {
    (schedule.rate(at: t) * -expm1(-2 * integral(to: t))).squareRoot()
  }
  public var priorVariance: Double? { 1 }

  public func makeKernel() -> any PerturbationKernel {
    ClosedFormKernel { t in
      let integral = integral(to: t)
      let deviation = -expm1(-integral)
      return Moments(scale: exp(-0.5 * integral), variance: deviation * deviation)
    }
  }
}
