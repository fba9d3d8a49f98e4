// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core
import Glibc

/// Critically damped Langevin diffusion (Dockhorn, Vahdat and Kreis 2022, eq. 5): data are positions x, and only their
/// velocities v are noised,
///
///     dx = β M⁻¹ v dt,   dv = −β (x + Γ M⁻¹ v) dt + √(2 Γ β) dw,   Γ² = 4 M.
///
/// A state is x and then v, v₀ ~ N(0, γ M I) apart from the data (their hybrid score matching). Prior N(0, I) × N(0, M
/// I). Only the score ∇_v is ever asked for. Noise that a schedule has at t = 0 is left out.
///
/// Kernel with B = ∫β and ω = Γ/2M: Φ = e^{−ωB}(I + B N), N = [[ω, M⁻¹], [−1, −ω]]; the covariance is a sum of positive
/// integrals ∫ uᵏ e^{−2ωu} du, which GSL's incomplete gamma function gives without cancellation.
public struct CriticallyDampedLangevin: LinearSDE {
  /// M
  public let mass: Double
  /// γ
  public let velocityShare: Double
  /// β(t)
  public let schedule: any BetaSchedule

  /// - Precondition: M > 0, 0 < γ.
  public init(
    mass: Double = 0.25, velocityShare: Double = 0.04, schedule: any BetaSchedule = LinearBeta(4, 4)
  ) {
    precondition(mass > 0 && velocityShare > 0, "M > 0, γ > 0")
    self.mass = mass
    self.velocityShare = velocityShare
    self.schedule = schedule
  }

  /// Γ = 2 √M
  public var friction: Double { 2 * mass.squareRoot() }

  public var duration: Double { schedule.duration }
  public var samplingSpacing: TimeSpacing { schedule.samplingSpacing }
  public var samplingEpsilon: Double { schedule.samplingEpsilon }
  public var blocks: Int { 2 }
  public var dataBlocks: Int { 1 }
  public var noiseBlocks: Int { 1 }
  public var initialCovariance: Matrix { .diagonal([0, velocityShare * mass]) }
  public var priorCovariance: Matrix { .diagonal([1, mass]) }

  public func driftMatrix(at t: Double) -> Matrix {
    schedule.rate(at: t) * Matrix([[0, 1 / mass], [-1, -friction / mass]])
  }

  public func diffusionMatrix(at t: Double) -> Matrix {
    .diagonal([0, (2 * friction * schedule.rate(at: t)).squareRoot()])
  }

  public func makeKernel() -> any PerturbationKernel {
    let (mass, friction, schedule, start) = (mass, friction, schedule, initialCovariance)
    return ClosedFormKernel(blocks: stateBlocks) { t in
      let b = schedule.integral(to: t)
      let omega = friction / (2 * mass)
      let decay = exp(-omega * b)
      let phi = decay * Matrix([[1 + omega * b, b / mass], [-b, 1 - omega * b]])
      // I_k = ∫₀ᴮ uᵏ e^{−2ωu} du = k!/(2ω)^{k+1} P(k + 1, 2ωB)
      let i0 = gsl_sf_gamma_inc_P(1, 2 * omega * b) / (2 * omega)
      let i1 = gsl_sf_gamma_inc_P(2, 2 * omega * b) / pow(2 * omega, 2)
      let i2 = 2 * gsl_sf_gamma_inc_P(3, 2 * omega * b) / pow(2 * omega, 3)
      let xx = 2 * friction / (mass * mass) * i2
      let xv = 2 * friction / mass * (i1 - omega * i2)
      let vv = 2 * friction * (i0 - 2 * omega * i1 + omega * omega * i2)
      let covariance = Matrix([[xx, xv], [xv, vv]]) + phi * start * phi.transpose
      return Moments(propagator: phi, covariance: covariance, dataBlocks: 1)
    }
  }
}
