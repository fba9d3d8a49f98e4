// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// How noise grows, for a process of either family: a β schedule and a σ schedule say the same through
///
///     σ̃² = σ²/m² = e^B − 1,   B = ln(1 + σ̃²),   B = −ln ᾱ the integral of β,
///
/// so that a variance-preserving and a variance-exploding process of one schedule have equal signal-to-noise ratios at
/// every t.
public protocol NoiseSchedule: Sendable {
  /// T; default: 1.
  var duration: Double { get }
  /// For a variance-preserving process.
  var betas: any BetaSchedule { get }
  /// For a variance-exploding process.
  var sigmas: any SigmaSchedule { get }
  /// How samplers should space fixed steps.
  var samplingSpacing: TimeSpacing { get }
  /// Where samplers should stop.
  var samplingEpsilon: Double { get }
}

extension NoiseSchedule {
  public var duration: Double { 1 }
  public var samplingSpacing: TimeSpacing { .uniform }
}

extension BetaSchedule {
  public var samplingEpsilon: Double { safeEpsilon(1e-3, duration) }
  public var betas: any BetaSchedule { self }
  public var sigmas: any SigmaSchedule { SigmaOfBeta(beta: self) }
}

extension SigmaSchedule {
  public var samplingEpsilon: Double { safeEpsilon(1e-5, duration) }
  public var betas: any BetaSchedule { BetaOfSigma(sigma: self) }
  public var sigmas: any SigmaSchedule { self }
}

/// σ̃(t) = √(e^{B(t)} − 1)
struct SigmaOfBeta: SigmaSchedule {
  let beta: any BetaSchedule

  var duration: Double { beta.duration }
  var samplingSpacing: TimeSpacing { beta.samplingSpacing }
  var samplingEpsilon: Double { beta.samplingEpsilon }
  var betas: any BetaSchedule { beta }
  private func total(_ t: Double) -> Double { beta.initialIntegral + beta.integral(to: t) }
  func deviation(at t: Double) -> Double { expm1(total(t)).squareRoot() }
  func varianceRate(at t: Double) -> Double { beta.rate(at: t) * exp(total(t)) }
}

/// B(t) = ln(1 + σ²)
struct BetaOfSigma: BetaSchedule {
  let sigma: any SigmaSchedule

  var duration: Double { sigma.duration }
  var samplingSpacing: TimeSpacing { sigma.samplingSpacing }
  var samplingEpsilon: Double { sigma.samplingEpsilon }
  var sigmas: any SigmaSchedule { sigma }
  private func variance(_ t: Double) -> Double { sigma.deviation(at: t) * sigma.deviation(at: t) }
  var initialIntegral: Double { log1p(variance(0)) }
  func rate(at t: Double) -> Double { sigma.varianceRate(at: t) / (1 + variance(t)) }
  // ln((1 + v)/(1 + v₀)), without the difference of logarithms.
  func integral(to t: Double) -> Double { log1p((variance(t) - variance(0)) / (1 + variance(0))) }
}
