// SPDX-License-Identifier: GPL-3.0-or-later
import Evaluation
import Foundation

/// Numbers for people.
enum ConciseNumber {
  /// Four significant digits.
  static func text(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e6 ? String(Int(value)) : String(format: "%.4g", value)
  }

  /// A value and half the width of its 95 % interval, in units of the value's last digit: 0.0123(12) is 0.0123 ± 0.0012.
  static func text(_ estimate: Estimate) -> String {
    guard let low = estimate.low, let high = estimate.high else { return text(estimate.value) }
    return text(estimate.value, half: (high - low) / 2)
  }

  static func text(_ value: Double, half: Double) -> String {
    guard value.isFinite, half.isFinite, half > 0 else { return text(value) }
    let largest = max(abs(value), half)
    // Tiny and huge numbers have a power of ten of their own.
    guard (1e-4..<1e6).contains(largest) else {
      let power = Int(log10(largest).rounded(.down))
      return text(value / pow(10, Double(power)), half: half / pow(10, Double(power))) + "e\(power)"
    }
    // Two digits of the half width; no more than eight behind the point.
    let decimals = min(8, max(0, 1 - Int(log10(half).rounded(.down))))
    let digits = (half * pow(10, Double(decimals))).rounded()
    guard digits > 0 else { return String(format: "%.\(decimals)f", value) + "(<1)" }
    return String(format: "%.\(decimals)f(%.0f)", value, digits)
  }
}
