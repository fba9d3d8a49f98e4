// SPDX-License-Identifier: GPL-3.0-or-later
import Processes

/// The noise levels at which guidance acts, σ_low < σ/m ≤ σ_high (Kynkäänniemi et al. 2024, equation 6); at others the
/// weight is 1.
public struct GuidanceInterval: Sendable {
  /// σ_low, 0 or more.
  public let low: Double
  /// σ_high, above σ_low.
  public let high: Double
  private let kernel: any PerturbationKernel

  /// - Parameters:
  ///   - low: σ_low
  ///   - high: σ_high
  ///   - kernel: tells σ/m of a time.
  /// - Precondition: 0 ≤ σ_low < σ_high.
  public init(_ low: Double, _ high: Double, kernel: any PerturbationKernel) {
    precondition(low >= 0 && low < high, "0 ≤ σ_low < σ_high")
    (self.low, self.high, self.kernel) = (low, high, kernel)
  }

  /// Whether guidance acts at a time.
  public func contains(_ t: Double) -> Bool {
    let level = kernel.moments(at: t).noiseToSignal
    return low < level && level <= high
  }
}

extension GuidanceInterval? {
  /// Whether guidance acts at a time; without an interval it always does.
  func contains(_ t: Double) -> Bool { self?.contains(t) ?? true }
}
