// SPDX-License-Identifier: GPL-3.0-or-later

/// dx = √(dσ²/dt) dw: noise is added and nothing is shrunk (Song et al. 2021, eq. 9; the limit of NCSN).
///
/// Kernel: m = 1, v = σ(t)², which is σ(0)² at t = 0. Prior N(0, σ(T)² I).
public protocol VarianceExploding: AffineSDE {
  /// σ(t)
  var schedule: any SigmaSchedule { get }
}

extension VarianceExploding {
  public var duration: Double { schedule.duration }
  public var samplingSpacing: TimeSpacing { schedule.samplingSpacing }
  public var samplingEpsilon: Double { schedule.samplingEpsilon }
  public func driftRate(at t: Double) -> Double { 0 }
  public func diffusion(at t: Double) -> Double { schedule.varianceRate(at: t).squareRoot() }
  public var initialVariance: Double { schedule.deviation(at: 0) * schedule.deviation(at: 0) }
  public var priorVariance: Double? { schedule.deviation(at: duration) * schedule.deviation(at: duration) }

  public func makeKernel() -> any PerturbationKernel {
    let schedule = schedule
    return ClosedFormKernel { t in
      let deviation = schedule.deviation(at: t)
      return Moments(scale: 1, variance: deviation * deviation)
    }
  }
}

/// The variance-exploding SDE, by default with σ from 0.01 to 50. A good σ_max is the largest distance between two data
/// points (Song and Ermon 2020).
public struct VESDE: VarianceExploding {
  /// σ(t)
  public let schedule: any SigmaSchedule
  /// The process of a schedule, by default with σ from 0.01 to 50.
  public init(_ schedule: any SigmaSchedule = GeometricSigma()) { self.schedule = schedule }
}
