// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// dx = a(t) x dt + g(t) dw with a and g given as formulas. Its kernel is integrated once, when it is made.
public struct FormulaSDE: AffineSDE {
  /// a and g
  public let rate, strength: Expression
  public let duration, initialVariance: Double
  public let priorVariance: Double?
  public let samplingSpacing: TimeSpacing
  private let kernel: IntegratedKernel

  /// - Parameters:
  ///   - driftRate: a(t)
  ///   - diffusion: g(t) ≥ 0
  ///   - duration: T
  ///   - initialVariance: v(0).
  ///   - priorVariance: default: v(T).
  ///   - tolerance: that of `IntegratedKernel`.
  ///   - nodes: the most that `IntegratedKernel` has.
  /// - Throws: `InputError` where a formula is not finite, g is negative, no noise is added at all, or the kernel's
  ///   error is above 1e-3.
  public init(
    driftRate: Expression, diffusion: Expression, duration: Double = 1, initialVariance: Double = 0,
    priorVariance: Double? = nil, tolerance: Double = 1e-11, nodes: Int = 32_768
  ) throws {
    (rate, strength) = (driftRate, diffusion)
    self.duration = duration
    self.initialVariance = initialVariance
    var steepest = 0.0
    try forEachTime(to: duration) { t in
      try requireFinite(driftRate(t), "drift_rate", driftRate, at: t)
      try requireFinite(diffusion(t), "diffusion", diffusion, at: t)
      guard diffusion(t) >= 0 else {
        throw InputError("diffusion is \(diffusion(t)) at t = \(t); allowed: 0 or more")
      }
      steepest = max(steepest, abs(driftRate(t)) * duration)
    }
    // Explicit steps of T/100 are unstable above.
    samplingSpacing = steepest > 100 ? .logSignalToNoise : .uniform
    struct Equations: AffineSDE {
      let rate, strength: Expression
      let duration, initialVariance: Double
      func driftRate(at t: Double) -> Double { rate(t) }
      func diffusion(at t: Double) -> Double { strength(t) }
      var priorVariance: Double? { 1 }
    }
    kernel = IntegratedKernel(
      of: Equations(rate: driftRate, strength: diffusion, duration: duration, initialVariance: initialVariance),
      tolerance: tolerance, maximum: nodes)
    let end = kernel.moments(at: duration)
    guard end.scale.isFinite, end.scale > 0, end.variance.isFinite, end.variance > 0 else {
      throw InputError(
        "at t = \(duration) the kernel's scale is \(end.scale) and its variance \(end.variance); allowed: finite, above 0"
      )
    }
    guard kernel.errorBound <= 1e-3 else {
      throw InputError(
        "with \(kernel.nodes) nodes the kernel's error is up to \(kernel.errorBound); allowed: 1e-3. Take more nodes, or smoother "
          + "formulas")
    }
    self.priorVariance = priorVariance ?? end.variance
  }

  public func driftRate(at t: Double) -> Double { rate(t) }
  public func diffusion(at t: Double) -> Double { strength(t) }
  public func makeKernel() -> any PerturbationKernel { kernel }
}

/// x_t = α(t) x_0 + σ(t) z with α and σ given as formulas; their derivatives are exact.
public struct FormulaInterpolant: Interpolant {
  /// α and σ
  public let alpha, sigma: Expression
  public let duration: Double

  /// - Throws: `InputError` where α is not above 0, σ is negative, or σ/α does not grow.
  public init(alpha: Expression, sigma: Expression, duration: Double = 1) throws {
    (self.alpha, self.sigma, self.duration) = (alpha, sigma, duration)
    try forEachTime(to: duration) { t in
      let (a, s) = (alpha.evaluate(at: t), sigma.evaluate(at: t))
      try requireFinite(a.value, "alpha", alpha, at: t)
      try requireFinite(s.value, "sigma", sigma, at: t)
      guard a.value > 0 else {
        throw InputError("alpha is \(a.value) at t = \(t); allowed: above 0. End before, by duration")
      }
      guard s.value >= 0 else { throw InputError("sigma is \(s.value) at t = \(t); allowed: 0 or more") }
      // At t = 0 a derivative may be infinite, as of √t.
      if t == 0 { return }
      try requireFinite(a.rate, "the derivative of alpha", alpha, at: t)
      try requireFinite(s.rate, "the derivative of sigma", sigma, at: t)
      guard s.rate * a.value >= s.value * a.rate else {
        throw InputError("sigma/alpha does not grow at t = \(t); allowed: growing noise")
      }
    }
    guard sigma(duration) > 0 else { throw InputError("sigma is 0 at t = \(duration); allowed: above 0") }
  }

  public func signal(at t: Double) -> (value: Double, rate: Double) { alpha.evaluate(at: t) }
  public func noise(at t: Double) -> (value: Double, rate: Double) { sigma.evaluate(at: t) }
}

/// Where formulas are looked at before they are used: 0, T, and densely between.
private func forEachTime(to duration: Double, _ body: (Double) throws -> Void) throws {
  let count = 1000
  for k in 0...count { try body(k == count ? duration : duration * Double(k) / Double(count)) }
}

private func requireFinite(_ value: Double, _ name: String, _ formula: Expression, at t: Double) throws {
  guard value.isFinite else { throw InputError("\(name) is \(value) at t = \(t); allowed: finite from 0 to T") }
}
