// SPDX-License-Identifier: GPL-3.0-or-later

/// A spacing of fixed steps.
public enum TimeSpacing: String, Sendable, CaseIterable {
  /// Equal steps of t.
  case uniform
  /// Equal steps of √t.
  case quadratic
  /// Equal steps of ln(m/σ): safe where rates grow without bound.
  case logSignalToNoise = "log-snr"
  /// Equal steps of (σ/m)^{1/7} (Karras et al. 2022).
  case karras
}

/// A customary ε, or less where a process is short: no more than T/100.
public func safeEpsilon(_ customary: Double, _ duration: Double) -> Double { min(customary, duration / 100) }
