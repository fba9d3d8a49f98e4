// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

extension Comparison {
  /// - Throws: `InputError` for a value that is not finite, and for what `requireRows` refuses.
  func requireFinite(atLeast minimum: Int) throws {
    try requireRows(atLeast: minimum)
    for (name, batch) in [("sample", samples), ("held-out row", heldOut)] {
      let first = batch.values.withUnsafeBufferPointer { ck_first_nonfinite($0.baseAddress, $0.count) }
      if first < batch.values.count {
        let (row, column) = (first / batch.dimension, first % batch.dimension)
        throw InputError("\(name) \(row) has \(batch.values[first]) in column \(column); allowed: finite values")
      }
    }
  }

  /// - Throws: `InputError` where the square of a distance may not be finite.
  func requireSquares() throws {
    let largest = (samples.values + heldOut.values).reduce(0) { max($0, $1.magnitude) }
    _ = try finite(4 * largest * largest * Double(heldOut.dimension))
  }
}

/// A metric of finite rows.
/// - Throws: `InputError` for one that is not finite.
func finite(_ value: Double) throws -> Double {
  guard value.isFinite else {
    throw InputError("the metric is \(value), as squares and products of these values are too large for doubles")
  }
  return value
}
