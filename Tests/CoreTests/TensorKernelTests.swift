// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Foundation
import Testing

/// Loops over floats, for every length of tail, against plain loops in double.
@Suite struct TensorKernelTests {
  static func normals(_ count: Int, seed: UInt64) -> [Float] {
    NoiseStream(seed: seed, purpose: .data).normals(count: max(1, count), dimension: 1).values.map { Float($0) }
  }

  /// A float is right to 6e-8 of itself; sums of a few terms, to a few of these.
  static func close(_ a: Float, _ b: Double, scale: Double = 1) -> Bool {
    abs(Double(a) - b) <= 5e-7 * max(scale, abs(b))
  }

  @Test(arguments: 0...40) func elementwiseLoopsEqualPlainOnes(_ n: Int) {
    let (x, y) = (Self.normals(n, seed: 1), Self.normals(n, seed: 2))
    var out = [Float](repeating: 77, count: n + 1)
    ck_sum(&out, 0.5, x, -2, y, n)
    for i in 0..<n { #expect(Self.close(out[i], 0.5 * Double(x[i]) - 2 * Double(y[i]), scale: 4)) }
    ck_product(&out, x, y, n)
    for i in 0..<n { #expect(out[i] == x[i] * y[i]) }
    for order in 0...3 {
      var silu = [Float](repeating: 77, count: n + 1)
      ck_silu(&silu, x, Int32(order), n)
      ck_silu_product(&out, y, x, Int32(order), n)
      for i in 0..<n { #expect(abs(out[i] - y[i] * silu[i]) <= 2e-7 * abs(out[i])) }
      #expect(silu[n] == 77)
    }
    #expect(out[n] == 77)
  }

  @Test(arguments: [(5, 7), (1, 1), (3, 16), (4, 33), (7, 40), (1, 17)])
  func loopsOverRowsEqualPlainOnes(_ shape: (Int, Int)) {
    let (rows, columns) = shape
    let (x, bias) = (Self.normals(rows * columns, seed: 3), Self.normals(columns, seed: 4))
    let weight = Self.normals(rows, seed: 5)
    var out = x
    var sums = bias
    ck_add_bias(&out, x, bias, rows, columns)
    for i in out.indices { #expect(out[i] == x[i] + bias[i % columns]) }
    var z = x
    var silu = x
    ck_bias_silu(&silu, &z, bias, nil, 0, rows, columns)
    #expect(z == out)
    for i in z.indices { #expect(Self.close(silu[i], Double(z[i]) / (1 + exp(-Double(z[i]))))) }
    // A row of a table for each row, and the derivative in place of the sum.
    let (table, places) = (Self.normals(3 * columns, seed: 6), (0..<rows).map { Float(($0 * 2 + 1) % 3) })
    for slope in [false, true] {
      (z, silu) = (x, x)
      ck_bias_silu(&silu, &z, table, places, slope ? 1 : 0, rows, columns)
      for i in z.indices {
        let v = x[i] + table[Int(places[i / columns]) * columns + i % columns]
        let s = 1 / (1 + exp(-Double(v)))
        #expect(Self.close(silu[i], Double(v) * s))
        #expect(slope ? Self.close(z[i], s * (1 + Double(v) * (1 - s))) : z[i] == v)
      }
    }
    ck_scale_rows(&out, x, weight, rows, columns)
    for i in out.indices { #expect(out[i] == weight[i / columns] * x[i]) }
    for accumulate in [true, false] {
      sums = bias
      ck_column_sums(&sums, x, rows, columns, accumulate ? 1 : 0)
      for j in 0..<columns {
        let sum = (0..<rows).reduce(accumulate ? Double(bias[j]) : 0) { $0 + Double(x[$1 * columns + j]) }
        #expect(Self.close(sums[j], sum, scale: 10))
      }
    }
    var rowSums = weight
    ck_row_sums(&rowSums, x, rows, columns)
    var squares = 0.0
    for r in 0..<rows {
      let row = (0..<columns).map { Double(x[r * columns + $0]) }
      #expect(Self.close(rowSums[r], row.reduce(0, +), scale: 20))
      squares += Double(weight[r]) * row.reduce(0) { $0 + $1 * $1 }
    }
    #expect(abs(ck_weighted_squares(x, weight, rows, columns) - squares) < 1e-6 * Double(rows * columns))
  }

  /// SiLU's derivatives from the logistic function s, in double.
  static func silu(_ x: Double, order: Int) -> Double {
    let s = 1 / (1 + exp(-x))
    let c = 1 - s
    switch order {
    case 0: return x * s
    case 1: return s + x * s * c
    case 2: return s * c * (2 + x * (1 - 2 * s))
    default: return s * c * (3 * (1 - 2 * s) + x * (1 - 6 * s * c))
    }
  }

  @Test(arguments: 0...3) func siluAndItsDerivativesAreRightEverywhere(_ order: Int) {
    let x = (-4000...4000).map { Float($0) / 40 }
    var out = x
    ck_silu(&out, x, Int32(order), x.count)
    for i in x.indices {
      // Absolute: factors like 1 − s and 2 + x (1 − 2 s) cancel to a float's 6e-8, times |x| where s c is not yet
      // small.
      #expect(
        abs(Double(out[i]) - Self.silu(Double(x[i]), order: order)) < 1e-6 * max(1, abs(Double(out[i]))), "\(x[i])")
    }
  }

  @Test(arguments: 1...3) func siluOrdersAreDerivativesOfEachOther(_ order: Int) {
    for i in -200...200 {
      let (x, h) = (Double(i) / 20, 1e-5)
      let difference = (Self.silu(x + h, order: order - 1) - Self.silu(x - h, order: order - 1)) / (2 * h)
      // Truncation h²/6 · f''' < 1e-10, rounding 1e-16 · 10/h = 1e-10.
      #expect(abs(difference - Self.silu(x, order: order)) < 1e-9)
    }
  }

  @Test(arguments: 0...4) func sinusoidsAndTheirDerivatives(_ order: Int) {
    for half in [1, 3, 8, 13, 16] {
      let frequencies = (0..<half).map { Float(0.1 + 0.37 * Double($0)) }
      let t: [Float] = [0, 0.3, -2.5, 1000]
      let ld = 2 * half + 3
      var out = [Float](repeating: 77, count: 4 * ld)
      ck_sinusoids(&out, t, frequencies, Int32(order), 4, half, ld)
      for r in 0..<4 {
        for k in 0..<half {
          let w = Double(frequencies[k])
          let (angle, factor) = (w * Double(t[r]) + 0.5 * .pi * Double(order), pow(w, Double(order)))
          // A float's rounding; the angle of up to 6,000 radians is formed in double, to 1e-12.
          #expect(Self.close(out[r * ld + k], factor * sin(angle), scale: factor))
          #expect(Self.close(out[r * ld + half + k], factor * cos(angle), scale: factor))
        }
        #expect((2 * half..<ld).allSatisfy { out[r * ld + $0] == 77 })
      }
    }
  }

  @Test(arguments: [1, 2, 5, 16, 17]) func perturbationsAreCombinationsOfDataAndNoise(_ dimension: Int) {
    let data = Self.normals(3 * dimension, seed: 6)
    let noise = RowKernelTests.normals(3 * dimension, seed: 7)
    let coefficients = RowKernelTests.normals(12, seed: 8)
    var input = [Float](repeating: 0, count: 3 * dimension)
    var target = input
    ck_perturb(&input, &target, data, noise, coefficients, 3, dimension)
    for r in 0..<3 {
      for j in 0..<dimension {
        let (x, z) = (Double(data[r * dimension + j]), noise[r * dimension + j])
        #expect(Self.close(input[r * dimension + j], coefficients[4 * r] * x + coefficients[4 * r + 1] * z))
        #expect(Self.close(target[r * dimension + j], coefficients[4 * r + 2] * x + coefficients[4 * r + 3] * z))
      }
    }
  }
}
