// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// dx = ½ ς² x dt + ς x dw (Itô), coordinate by coordinate, on positive data: noise that is proportional to the state.
/// ln x is a Brownian motion without drift, so medians stay.
///
/// G Gᵀ = diag(ς² x²), ∇·(G Gᵀ) = 2 ς² x. Kernel: ln x_t ~ N(ln x_0, ς² t). Prior: ln x ~ N(0, priorDeviation²). Its
/// solvers must be defined for noise that depends on the state, and a step of Euler–Maruyama must be short (ς √h well
/// below ¼), as a longer one may leave the positive numbers.
public struct GeometricBrownianMotion: TransformedSDE {
  /// ς
  public let volatility: Double
  /// The deviation of ln x under the prior.
  public let priorDeviation: Double

  /// - Parameters:
  ///   - volatility: ς
  ///   - priorDeviation: of ln x at T; default: ς, right where the data's own deviation is small against it.
  /// - Precondition: both above 0.
  public init(volatility: Double = 2, priorDeviation: Double? = nil) {
    precondition(volatility > 0 && priorDeviation ?? 1 > 0, "ς > 0")
    self.volatility = volatility
    self.priorDeviation = priorDeviation ?? volatility
  }

  /// dy = ς dw
  private struct BrownianMotion: AffineSDE {
    let volatility, priorDeviation: Double
    func driftRate(at t: Double) -> Double { 0 }
    func diffusion(at t: Double) -> Double { volatility }
    var priorVariance: Double? { priorDeviation * priorDeviation }

    func makeKernel() -> any PerturbationKernel {
      let rate = volatility * volatility
      return ClosedFormKernel { Moments(scale: 1, variance: rate * $0) }
    }
  }

  private var inLogarithms: BrownianMotion {
    BrownianMotion(volatility: volatility, priorDeviation: priorDeviation)
  }

  public var duration: Double { 1 }
  public var samplingEpsilon: Double { 1e-3 }
  public var coordinates: any ElementwiseCoordinates { Logarithm() }
  public var base: any LinearSDE { inLogarithms }

  public func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows) {
    let rate = 0.5 * times * volatility * volatility
    for i in 0..<x.size { out.values[i] += rate * x.values[i] }
  }

  public func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    let rate = times * volatility * volatility
    for i in 0..<x.size { out.values[i] += rate * x.values[i] * (x.values[i] * s.values[i] + 2) }
  }

  public func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    for i in 0..<x.size { out.values[i] += times * volatility * x.values[i] * z.values[i] }
  }

  public func makePrior() -> any Prior { ExponentialPrior(of: inLogarithms.makePrior()) }
}
