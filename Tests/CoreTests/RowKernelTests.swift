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

  @Test(arguments: [1, 2, 3, 8]) func pairSumsEqualPlainLoops(_ dimension: Int) {
    let widths = [0.5, 2.0, 0.01]
    for others in 0...40 {
      let x = Self.normals(3 * dimension, seed: 5)
      let y = Self.normals(others * dimension, seed: 6)
      let stride = (others + 7) / 8 * 8
      // Padding that would be noticed.
      var transposed = [Double](repeating: 1e6, count: stride * dimension + 8)
      for j in 0..<others { for d in 0..<dimension { transposed[d * stride + j] = y[j * dimension + d] } }
      var distances = [0.0, 0, 0]
      var gaussians = distances
      ck_distance_sums(&distances, x, 3, dimension, transposed, others, stride)
      ck_gaussian_sums(&gaussians, x, 3, dimension, transposed, others, stride, widths, 3)
      for i in 0..<3 {
        var (distance, gaussian) = (0.0, 0.0)
        for j in 0..<others {
          let square = (0..<dimension).reduce(0) {
            let d = x[i * dimension + $1] - y[j * dimension + $1]
            return $0 + d * d
          }
          distance += square.squareRoot()
          for width in widths { gaussian += exp(-width * square) }
        }
        // Up to 120 terms of size 1 to 5, each right to a few 1e-16.
        #expect(abs(distances[i] - distance) < 1e-12 && abs(gaussians[i] - gaussian) < 1e-12)
      }
    }
  }
}
