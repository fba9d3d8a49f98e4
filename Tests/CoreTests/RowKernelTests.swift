// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Foundation
import Testing

/// Loops over doubles, for every length of tail, against plain loops. Fused multiply-adds may round once less, so equal
/// to 1e-14 for sums of a few values of size 1.
@Suite struct RowKernelTests {
  static func normals(_ count: Int, seed: UInt64) -> [Double] {
    NoiseStream(seed: seed, purpose: .data).normals(count: max(1, count), dimension: 1).values
  }

  @Test(arguments: 0...40) func combinationsEqualPlainLoops(_ n: Int) {
    let (x, y, z) = (Self.normals(n, seed: 1), Self.normals(n, seed: 2), Self.normals(n, seed: 3))
    // One value more, which must stay.
    var out = [Double](repeating: 77, count: n + 1)
    ck_combine(&out, 0.3, x, -1.7, y, n)
    for i in 0..<n { #expect(abs(out[i] - (0.3 * x[i] - 1.7 * y[i])) < 1e-14) }
    ck_combine3(&out, 0.3, x, -1.7, y, 2.5, z, n)
    for i in 0..<n { #expect(abs(out[i] - (0.3 * x[i] - 1.7 * y[i] + 2.5 * z[i])) < 1e-14) }
    let before = out
    ck_add_scaled(&out, x, 0.9, n)
    for i in 0..<n { #expect(abs(out[i] - (before[i] + 0.9 * x[i])) < 1e-14) }
    let floats = y.map { Float($0) }
    ck_combine_float(&out, 0.3, x, -1.7, floats, n)
    for i in 0..<n { #expect(abs(out[i] - (0.3 * x[i] - 1.7 * Double(floats[i]))) < 1e-14) }
    #expect(out[n] == 77)
    var small = [Float](repeating: 77, count: n + 1)
    ck_to_float(&small, x, 1.1, n)
    for i in 0..<n { #expect(small[i] == Float(1.1 * x[i])) }
    #expect(small[n] == 77)
  }

  @Test func outputsMayBeInputs() {
    let (x, y) = (Self.normals(21, seed: 1), Self.normals(21, seed: 2))
    var a = x
    a.withUnsafeMutableBufferPointer { ck_combine3($0.baseAddress!, 2, $0.baseAddress!, 3, y, 4, $0.baseAddress!, 21) }
    for i in 0..<21 { #expect(abs(a[i] - (6 * x[i] + 3 * y[i])) < 1e-13) }
  }

  @Test(arguments: 1...20) func meanNormIsTheMeanOfNorms(_ dimension: Int) {
    let x = Self.normals(7 * dimension, seed: 4)
    let norms = (0..<7).map { r in
      (0..<dimension).reduce(0) { $0 + x[r * dimension + $1] * x[r * dimension + $1] }.squareRoot()
    }
    #expect(abs(ck_mean_norm(x, 7, dimension) - norms.reduce(0, +) / 7) < 1e-13)
    #expect(ck_mean_norm(x, 0, dimension) == 0)
  }

  @Test(arguments: [0, 1] as [Int32]) func theErrorRatioIsTheLargestRowsRootMeanSquare(_ sum: Int32) {
    let (rows, dimension) = (5, 3)
    let (high, low) = (Self.normals(15, seed: 7), Self.normals(15, seed: 8))
    // Either state may be the larger one.
    let (a, b) = (Self.normals(15, seed: 9), Self.normals(15, seed: 10))
    let (atol, rtol) = (0.3, 0.5)
    let ratios = (0..<rows).map { r in
      ((0..<dimension).reduce(0.0) { squares, j in
        let i = r * dimension + j
        let size = rtol * max(abs(a[i]), abs(b[i]))
        let error = (high[i] - low[i]) / (sum == 1 ? atol + size : max(atol, size))
        return squares + error * error
      } / Double(dimension)).squareRoot()
    }
    let ratio = ck_error_ratio(high, low, a, b, atol, rtol, sum, rows, dimension)
    #expect(abs(ratio - (ratios.max() ?? 0)) < 1e-14 * ratio)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity]) func theFirstNonFiniteValueIsFound(_ bad: Double) {
    for n in 0...40 {
      var x = [Double](repeating: 1e300, count: n + 1)
      // Beyond the end: not to be seen.
      x[n] = bad
      #expect(ck_first_nonfinite(x, n) == n)
      for i in 0..<n {
        var y = x
        y[i] = bad
        y[n - 1] = bad
        #expect(ck_first_nonfinite(y, n) == i)
      }
    }
  }

  /// Rows in panels, with padding that would be noticed.
  private static func panels(_ y: [Double], _ dimension: Int, width: Int = 16) -> [Double] {
    let count = y.count / dimension
    var panels = [Double](repeating: 1e6, count: (count + width - 1) / width * width * dimension)
    for i in 0..<count {
      for d in 0..<dimension { panels[(i / width * dimension + d) * width + i % width] = y[i * dimension + d] }
    }
    return panels
  }

  /// 13 rows are two tiles and a row on its own.
  @Test(arguments: [1, 2, 3, 8]) func pairSumsEqualPlainLoops(_ dimension: Int) {
    let rows = 13
    let x = Self.normals(rows * dimension, seed: 5)
    for others in 1...40 {
      let y = Self.normals(others * dimension, seed: 6)
      let stride = (others + 15) / 16 * 16
      var (squares, products) = (
        [Double](repeating: 0, count: rows * stride), [Double](repeating: 0, count: rows * stride)
      )
      ck_squared_distances(&squares, stride, x, rows, dimension, Self.panels(y, dimension), stride / 16)
      ck_products(&products, stride, x, rows, dimension, Self.panels(y, dimension), stride / 16)
      for (kernel, block) in [(CK_DISTANCE, squares), (CK_GAUSSIANS, squares), (CK_CUBIC, products)] {
        // What is there is added to.
        var rowSums = [Double](repeating: 1, count: rows)
        var columnSums = [Double](repeating: 1, count: others + 1)
        let total = ck_pair_sums(block, stride, rows, others, kernel, 0.02, &rowSums, &columnSums)
        var (expectedRows, expectedColumns, expectedTotal) = (
          rowSums.map { _ in 1.0 }, columnSums.map { _ in 1.0 }, 0.0
        )
        for i in 0..<rows {
          for j in 0..<others {
            let pairs = (0..<dimension).map { (x[i * dimension + $0], y[j * dimension + $0]) }
            let square = pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            let product = pairs.reduce(0) { $0 + $1.0 * $1.1 }
            let value =
              kernel == CK_DISTANCE
              ? square.squareRoot()
              : kernel == CK_CUBIC
                ? pow(0.02 * product + 1, 3)
                : [1.0, 4, 16, 64, 256].reduce(0) { $0 + exp(-0.02 * $1 * square) } / 5
            expectedRows[i] += value
            expectedColumns[j] += value
            expectedTotal += value * value
          }
        }
        // Up to 520 terms of size up to 60, each right to a few 1e-16; the 256th power to 256 times that.
        #expect(abs(total - expectedTotal) < 1e-10)
        for i in 0..<rows { #expect(abs(rowSums[i] - expectedRows[i]) < 1e-11) }
        for j in 0...others { #expect(abs(columnSums[j] - expectedColumns[j]) < 1e-11) }
      }
    }
  }

  @Test func smallestOfBlocksEqualASort() {
    let (rows, others, dimension, count) = (7, 45, 3, 5)
    let (x, y) = (Self.normals(rows * dimension, seed: 5), Self.normals(others * dimension, seed: 6))
    let offsets = Self.normals(others, seed: 7)
    var values = [Double](repeating: .infinity, count: rows * count)
    var indices = [Int32](repeating: -1, count: rows * count)
    // Two blocks: 32 columns, and 13.
    for (first, columns) in [(0, 32), (32, 13)] {
      let part = Array(y[first * dimension..<(first + columns) * dimension])
      var block = [Double](repeating: 0, count: rows * 32)
      ck_squared_distances(&block, 32, x, rows, dimension, Self.panels(part, dimension), (columns + 15) / 16)
      ck_merge_smallest(
        &values, &indices, count, block, 32, rows, columns, Array(offsets[first..<first + columns]), first)
    }
    for i in 0..<rows {
      let all = (0..<others).map { j -> Double in
        (0..<dimension).reduce(0) {
          let d = x[i * dimension + $1] - y[j * dimension + $1]
          return $0 + d * d
        } - offsets[j]
      }
      let order = (0..<others).sorted { all[$0] < all[$1] }.prefix(count)
      #expect(Array(indices[i * count..<(i + 1) * count]) == order.map { Int32($0) })
    }
  }

  /// Sixteen columns a step, and the rest one by one; a second block with a larger exponent, and a third with a smaller.
  @Test func exponentialsOfBlocksEqualPlainSums() {
    let (rows, others, dimension) = (7, 37, 2)
    let x = Self.normals(rows * dimension, seed: 5).map { Float($0) }
    let y = Self.normals(others * dimension, seed: 6)
    let panels = Self.panels(y, dimension, width: 32).map { Float($0) }
    var block = [Float](repeating: 0, count: rows * 64)
    ck_squared_distances_float(&block, 64, x, rows, dimension, panels, 2)
    var (largest, sums) = ([Double](repeating: -.infinity, count: rows), [Double](repeating: 0, count: rows))
    let shifts: [Float] = [0, 30, -20]
    for shift in shifts {
      ck_merge_exponentials(
        &largest, &sums, block, 64, rows, others, 2, [Float](repeating: shift, count: others))
    }
    for i in 0..<rows {
      var expected = 0.0
      for shift in shifts {
        for j in 0..<others {
          let square = (0..<dimension).reduce(0.0) {
            let d = Double(x[i * dimension + $1]) - y[j * dimension + $1]
            return $0 + d * d
          }
          expected += exp(Double(shift) - 2 * square)
        }
      }
      // Exponents up to 100 in float are right to 4e-6.
      #expect(abs(largest[i] + log(sums[i]) - log(expected)) < 1e-5)
    }
  }
}
