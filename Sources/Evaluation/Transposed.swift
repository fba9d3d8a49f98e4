// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A batch with a coordinate's values of all rows side by side.
final class Transposed: @unchecked Sendable {
  let values: UnsafeMutablePointer<Double>
  let count: Int
  /// A multiple of 8.
  let stride: Int

  init(_ batch: Batch) {
    count = batch.count
    stride = (batch.count + 7) & ~7
    values = .allocate(capacity: stride * batch.dimension)
    values.initialize(repeating: 0, count: stride * batch.dimension)
    for j in 0..<batch.dimension { for i in 0..<count { values[j * stride + i] = batch[i, j] } }
  }

  deinit { values.deallocate() }

  /// The sum over the rows of x of what `body` writes for each of them.
  func sum(
    against x: Batch, threads: Int, _ body: @Sendable (_ sums: UnsafeMutablePointer<Double>, _ rows: Rows) -> Void
  ) throws -> Double {
    let shards = Shards(rows: x.count)
    let sums = try parallelMap(shards.count, threads: threads) { shard in
      let range = shards.range(shard)
      var part = Batch(
        values: Array(x.values[range.lowerBound * x.dimension..<range.upperBound * x.dimension]), dimension: x.dimension
      )
      return part.withRows { rows in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: rows.count) { buffer in
          body(buffer.baseAddress!, rows)
          return buffer.reduce(0, +)
        }
      }
    }
    return sums.reduce(0, +)
  }
}
