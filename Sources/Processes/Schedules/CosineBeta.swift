// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// ᾱ(t) = f(t)/f(0), f(t) = cos²((t + s)/(1 + s) · π/2): the cosine schedule (Nichol and Dhariwal 2021, eq. 17). β
/// grows without bound towards t = 1, so it ends before.
public struct CosineBeta: BetaSchedule {
  /// s
  public let offset: Double
  public let duration: Double

  /// - Parameters:
  ///   - offset: s, which keeps the noise rate at 0 small.
  ///   - end: T, 0 < T < 1; default: where ln(m/σ) = −5.1, to which DPM-Solver cuts it (Lu et al. 2022), 0.9961.
  public init(offset: Double = 0.008, end: Double? = nil) {
    precondition(offset > 0 && (end ?? 0.5) > 0 && (end ?? 0.5) < 1, "s > 0, 0 < T < 1")
    self.offset = offset
    // ᾱ = 1/(1 + e^{10.2}) inverts in closed form.
    let first = cos(offset / (1 + offset) * .pi / 2)
    let last = acos(first / (1 + exp(10.2)).squareRoot())
    duration = end ?? last * (1 + offset) * 2 / .pi - offset
  }

  public var samplingSpacing: TimeSpacing { .logSignalToNoise }

  private func angle(_ t: Double) -> Double { (t + offset) / (1 + offset) * .pi / 2 }

  public func rate(at t: Double) -> Double { .pi / (1 + offset) * tan(angle(t)) }

  /// 2 ln(cos φ₀/cos φ), and cos φ₀ − cos φ = 2 sin((φ + φ₀)/2) sin((φ − φ₀)/2) keeps small t exact.
  public func integral(to t: Double) -> Double {
    let (first, last) = (angle(0), angle(t))
    let change = 0.5 * t / (1 + offset) * .pi / 2
    return -2 * log1p(-2 * sin(0.5 * (first + last)) * sin(change) / cos(first))
  }
}

/// ᾱ(t) = (S(b) − S(a + t (b − a)))/(S(b) − S(a)) with S(u) the logistic of u/τ: the sigmoid schedule (Jabri et al.
/// 2022, and Chen 2023). ᾱ is 0 at t = 1, so it ends before.
public struct SigmoidAlphaBeta: BetaSchedule {
  /// a, b, τ
  public let start, stop, temperature: Double
  public let duration: Double

  /// - Parameters:
  ///   - start: a
  ///   - stop: b
  ///   - temperature: τ
  ///   - end: T, 0 < T < 1; default: where ln(m/σ) = −5.1, as of `CosineBeta`.
  public init(start: Double = -3, stop: Double = 3, temperature: Double = 1, end: Double? = nil) {
    precondition(start < stop && temperature > 0 && (end ?? 0.5) > 0 && (end ?? 0.5) < 1, "a < b, τ > 0, 0 < T < 1")
    (self.start, self.stop, self.temperature) = (start, stop, temperature)
    // S = S(b) − ᾱ (S(b) − S(a)), and S⁻¹(p) = τ ln(p/(1 − p)).
    let (low, high) = (Self.logistic(start / temperature), Self.logistic(stop / temperature))
    let level = high - (high - low) / (1 + exp(10.2))
    duration = end ?? (temperature * log(level / (1 - level)) - start) / (stop - start)
  }

  public var samplingSpacing: TimeSpacing { .logSignalToNoise }

  private static func logistic(_ u: Double) -> Double { 1 / (1 + exp(-u)) }
  private func logistic(_ t: Double) -> Double { Self.logistic((start + t * (stop - start)) / temperature) }

  public func rate(at t: Double) -> Double {
    let (s, high) = (logistic(t), Self.logistic(stop / temperature))
    return (stop - start) / temperature * s * (1 - s) / (high - s)
  }

  public func integral(to t: Double) -> Double {
    let (low, high) = (Self.logistic(start / temperature), Self.logistic(stop / temperature))
    // S(t) − S(0) = S(0) (1 − e^{−u}) (1 − S(0)) / (S(0) (1 − e^{−u}) + e^{−u}), exact for all u = t (b − a)/τ.
    let u = t * (stop - start) / temperature
    let grown = -expm1(-u)
    let change = low * (1 - low) * grown / (low * grown + exp(-u))
    return -log1p(-change / (high - low))
  }
}
