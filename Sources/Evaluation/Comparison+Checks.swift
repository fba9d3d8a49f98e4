// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Comparison {
  /// - Throws: `InputError` for too few rows, and for values that are not finite or too large to be squared.
  func requireFinite(atLeast minimum: Int) throws {
    try requireRows(atLeast: minimum)
    try requireFiniteDistances()
  }
}

/// A metric of finite rows.
/// - Throws: `InputError` for one that is not finite.
func finite(_ value: Double) throws -> Double {
  guard value.isFinite else {
    throw InputError("the metric is \(value), as powers of these values are too large for doubles")
  }
  return value
}
