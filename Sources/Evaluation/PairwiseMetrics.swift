// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// The energy distance 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ (Székely and Rizzo 2013), unbiased: pairs of a row with itself are
/// left out, so that it may fall slightly below 0.
public struct EnergyDistance: Metric {
  public init() {}

  public func evaluate(samples: Batch, heldOut: Batch, seed: UInt64, threads: Int) throws -> Double {
    try requireRows(samples, heldOut, atLeast: 2)
    func mean(_ x: Batch, _ y: Transposed, pairs: Int) throws -> Double {
      try y.sum(against: x, threads: threads) { sums, rows in
        ck_distance_sums(sums, rows.values, rows.count, rows.dimension, y.values, y.count, y.stride)
      } / Double(pairs)
    }
    let (x, y) = (Transposed(samples), Transposed(heldOut))
    let (n, m) = (samples.count, heldOut.count)
    return try 2 * mean(samples, y, pairs: n * m) - mean(samples, x, pairs: n * (n - 1))
      - mean(heldOut, y, pairs: m * (m - 1))
  }
}

/// The unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) under the mean of Gaussian kernels
/// exp(−d²/(2 b²)) of widths b = ¼, ½, 1, 2, 4 times the median distance among the first 1,000 held-out rows. May fall
/// slightly below 0.
public struct MaximumMeanDiscrepancy: Metric {
  public static let widths = [0.25, 0.5, 1, 2, 4]
  public init() {}

  public func evaluate(samples: Batch, heldOut: Batch, seed: UInt64, threads: Int) throws -> Double {
    try requireRows(samples, heldOut, atLeast: 2)
    let median = Self.medianDistance(heldOut.prefix(1000))
    guard median > 0 else { throw InputError("the median distance of the held-out data is 0") }
    let inverse = Self.widths.map { 1 / (2 * $0 * $0 * median * median) }
    let kernels = Double(inverse.count)
    func mean(_ x: Batch, _ y: Transposed, pairs: Int, itself: Bool) throws -> Double {
      let sum = try y.sum(against: x, threads: threads) { sums, rows in
        ck_gaussian_sums(
          sums, rows.values, rows.count, rows.dimension, y.values, y.count, y.stride, inverse, inverse.count)
      }
      // A row with itself gives 1 in every kernel.
      return (sum / kernels - (itself ? Double(x.count) : 0)) / Double(pairs)
    }
    let (x, y) = (Transposed(samples), Transposed(heldOut))
    let (n, m) = (samples.count, heldOut.count)
    return try mean(samples, x, pairs: n * (n - 1), itself: true) + mean(heldOut, y, pairs: m * (m - 1), itself: true)
      - 2 * mean(samples, y, pairs: n * m, itself: false)
  }

  /// The median of the distances between different rows.
  public static func medianDistance(_ batch: Batch) -> Double {
    var squares: [Double] = []
    squares.reserveCapacity(batch.count * (batch.count - 1) / 2)
    batch.values.withUnsafeBufferPointer { values in
      let d = batch.dimension
      for i in 0..<batch.count {
        for k in 0..<i {
          var sum = 0.0
          for j in 0..<d {
            let difference = values[i * d + j] - values[k * d + j]
            sum += difference * difference
          }
          squares.append(sum)
        }
      }
    }
    guard !squares.isEmpty else { return 0 }
    squares.sort()
    return squares[squares.count / 2].squareRoot()
  }
}

/// A batch with a coordinate's values of all rows side by side.
private final class Transposed: @unchecked Sendable {
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
