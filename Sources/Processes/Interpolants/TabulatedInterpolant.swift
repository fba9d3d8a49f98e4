// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core

/// A path given by numbers: α and σ at some times, between which GSL interpolates.
public final class TabulatedInterpolant: Interpolant, @unchecked Sendable {
  /// How the numbers are joined.
  public enum Interpolation: String, Sendable, CaseIterable {
    /// Steffen's method (1990): monotone wherever the numbers are, with a continuous first derivative.
    case steffen
    /// Natural cubic splines: smoother and more accurate for smooth numbers, but they may overshoot.
    case cubic
  }

  public let duration: Double
  // GSL's tables are only read after they are made, and its accelerators are not used: safe for any number of threads.
  private let alpha, sigma: UnsafeMutablePointer<gsl_spline>

  /// - Parameters:
  ///   - alpha: α > 0, at least three values.
  ///   - sigma: σ ≥ 0, as many; σ/α must grow from each to the next.
  ///   - times: rising from 0; default: evenly from 0 to 1.
  ///   - interpolation: what lies between the values.
  /// - Throws: `InputError` with the place of what is wrong.
  public init(
    alpha: [Double], sigma: [Double], times: [Double]? = nil, interpolation: Interpolation = .steffen
  ) throws {
    let n = alpha.count
    guard n >= 3 else { throw InputError("alpha has \(n) values; allowed: at least 3") }
    guard sigma.count == n else {
      throw InputError("sigma has \(sigma.count) values, alpha \(n); allowed: equally many")
    }
    let times = times ?? (0..<n).map { Double($0) / Double(n - 1) }
    guard times.count == n else {
      throw InputError("times has \(times.count) values, alpha \(n); allowed: equally many")
    }
    guard times[0] == 0 else { throw InputError("times begins at \(times[0]); allowed: 0") }
    for i in 0..<n {
      guard alpha[i] > 0, alpha[i].isFinite else {
        throw InputError("alpha \(i + 1) is \(alpha[i]); allowed: above 0")
      }
      guard sigma[i] >= 0, sigma[i].isFinite else {
        throw InputError("sigma \(i + 1) is \(sigma[i]); allowed: 0 or more")
      }
      guard i > 0 else { continue }
      guard times[i] > times[i - 1], times[i].isFinite else {
        throw InputError("times \(i + 1) is \(times[i]), after \(times[i - 1]); allowed: rising")
      }
      guard sigma[i] / alpha[i] > sigma[i - 1] / alpha[i - 1] else {
        throw InputError("sigma/alpha does not grow from \(i) to \(i + 1); allowed: growing noise")
      }
    }
    duration = times[n - 1]
    let type = interpolation == .steffen ? scoresde_interp_steffen() : scoresde_interp_cspline()
    self.alpha = gsl_spline_alloc(type, n)
    self.sigma = gsl_spline_alloc(type, n)
    gsl_spline_init(self.alpha, times, alpha, n)
    gsl_spline_init(self.sigma, times, sigma, n)
    for i in 1..<n {
      for k in 1..<16 {
        let t = times[i - 1] + (times[i] - times[i - 1]) * Double(k) / 16
        let (a, s) = (signal(at: t), self.noise(at: t))
        guard a.value > 0, s.value >= 0, s.rate * a.value >= s.value * a.rate else {
          throw InputError(
            "sigma/alpha does not grow between \(i) and \(i + 1) under \(interpolation.rawValue) interpolation; "
              + "allowed: more numbers there")
        }
      }
    }
  }

  deinit {
    gsl_spline_free(alpha)
    gsl_spline_free(sigma)
  }

  private func value(_ spline: UnsafeMutablePointer<gsl_spline>, _ t: Double) -> (value: Double, rate: Double) {
    let t = min(max(t, 0), duration)
    return (gsl_spline_eval(spline, t, nil), gsl_spline_eval_deriv(spline, t, nil))
  }

  public func signal(at t: Double) -> (value: Double, rate: Double) { value(alpha, t) }
  public func noise(at t: Double) -> (value: Double, rate: Double) { value(sigma, t) }
}
