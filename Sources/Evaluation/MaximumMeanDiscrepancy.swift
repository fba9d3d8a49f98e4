// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// The unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) under the mean of Gaussian kernels
/// exp(−d²/(2 b²)) of widths b = ¼, ½, 1, 2, 4 times the median distance among the first 1,000 held-out rows. May fall
/// slightly below 0.
public struct MaximumMeanDiscrepancy: Metric {
  public static let widths = [0.25, 0.5, 1, 2, 4]
  public init() {}

  /// Pairs of different rows.
  public var fewestRows: Int { 2 }
  public var comparesAllPairs: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double {
    try comparison.requireRows(atLeast: fewestRows)
    let (samples, heldOut, threads) = (comparison.samples, comparison.heldOut, comparison.threads)
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
