// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc

/// A process  dx = a(t) x dt + g(t) dw  with scalar a and g. A new one needs `driftRate` and `diffusion` alone:
/// its kernel is then integrated numerically and its prior is N(0, v(T)).
public protocol AffineSDE: LinearSDE {
  /// a(t), so that f(x, t) = a(t) x.
  func driftRate(at t: Double) -> Double

  /// g(t) ≥ 0.
  func diffusion(at t: Double) -> Double

  /// v(0), the variance that the kernel has at t = 0: σ_min² for a variance-exploding process, else 0.
  var initialVariance: Double { get }

  /// The variance of the prior N(0, priorVariance · I); nil, the default: v(T) of the kernel.
  var priorVariance: Double? { get }
}

extension AffineSDE {
  public var duration: Double { 1 }
  public var initialVariance: Double { 0 }
  public var priorVariance: Double? { nil }

  public func makeKernel() -> any PerturbationKernel { IntegratedKernel(of: self) }

  // As a linear process of one block.
  public var blocks: Int { 1 }
  public func driftMatrix(at t: Double) -> Matrix { Matrix([[driftRate(at: t)]]) }
  public func diffusionMatrix(at t: Double) -> Matrix { Matrix([[diffusion(at: t)]]) }
  public var initialCovariance: Matrix { Matrix([[initialVariance]]) }
  public var priorCovariance: Matrix { priorVariance.map { Matrix([[$0]]) } ?? priorCovariance(under: makeKernel()) }

  public func priorCovariance(under kernel: any PerturbationKernel) -> Matrix {
    Matrix([[priorVariance ?? kernel.moments(at: duration).variance]])
  }

  public func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows) {
    let rate = times * driftRate(at: t)
    if rate != 0 { ck_add_scaled(out.values, x.values, rate, x.size) }
  }

  public func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    let g = diffusion(at: t)
    ck_add_scaled(out.values, s.values, times * g * g, s.size)
  }

  public func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    ck_add_scaled(out.values, z.values, times * diffusion(at: t), z.size)
  }
}
