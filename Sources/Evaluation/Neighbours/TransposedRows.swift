// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows with each coordinate's values of all rows side by side, as `ck_nearest` and `ck_within` read them.
final class TransposedRows: Sendable {
  let values: Memory<Double>
  let count: Int
  /// A multiple of 8.
  let stride: Int

  init(_ batch: Batch) {
    (count, stride) = (batch.count, (batch.count + 7) & ~7)
    values = Memory(repeating: 0, count: stride * batch.dimension)
    batch.values.withUnsafeBufferPointer { source in
      for i in 0..<count {
        for j in 0..<batch.dimension { values.pointer[j * stride + i] = source[i * batch.dimension + j] }
      }
    }
  }
}
