// SPDX-License-Identifier: GPL-3.0-or-later

/// A process that says what samplers should do by default. Affine and linear processes do; another one conforms, or gets
/// equal steps of t down to ε = 1e-3 (T/100 where that is less).
public protocol SuggestsSampling: SDE {
  /// ε: the time at which samplers stop by default, 0 ≤ ε < T.
  var samplingEpsilon: Double { get }

  /// How samplers space fixed steps by default.
  var samplingSpacing: TimeSpacing { get }
}

extension SuggestsSampling {
  public var samplingEpsilon: Double { safeEpsilon(1e-3, duration) }
  public var samplingSpacing: TimeSpacing { .uniform }
}

extension SDE {
  /// ε: the process's own, or the customary one.
  public var samplingEpsilon: Double {
    (self as? any SuggestsSampling)?.samplingEpsilon ?? safeEpsilon(1e-3, duration)
  }

  /// The process's own spacing, or equal steps of t.
  public var samplingSpacing: TimeSpacing { (self as? any SuggestsSampling)?.samplingSpacing ?? .uniform }
}

/// A spacing of fixed steps.
public enum TimeSpacing: String, Sendable, CaseIterable {
  /// Equal steps of t.
  case uniform
  /// Equal steps of √t.
  case quadratic
  /// Equal steps of ln(m/σ): safe where rates grow without bound.
  case logSNR = "log-snr"
  /// Equal steps of (σ/m)^{1/7} (Karras et al. 2022).
  case karras
}

/// A customary ε, or less where a process is short: no more than T/100.
public func safeEpsilon(_ customary: Double, _ duration: Double) -> Double { min(customary, duration / 100) }
