// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Foundation
import Tensors
import TestSupport
import Testing

/// The operations of transformer blocks that act on each token: layer normalisation, GELU and GEGLU.
@Suite("Transformer operations") struct TransformerTapeTests {
  static let cases: [Case] = [
    Case("gelu", [(3, 17)]) { $0.gelu($1[0]) },
    Case("gelu′", [(3, 17)]) { $0.gelu($1[0], order: 1) },
    Case("gelu″", [(3, 17)]) { $0.gelu($1[0], order: 2) },
    Case("quickGELU", [(3, 17)]) { $0.quickGELU($1[0]) },
    Case("quickGELU′", [(3, 17)]) { $0.quickGELU($1[0], order: 1) },
    Case("quickGELU″", [(3, 17)]) { $0.quickGELU($1[0], order: 2) },
    Case("geglu", [(3, 38)]) { $0.geglu($1[0]) },
    Case("layerNorm", [(3, 19), (1, 19), (1, 19)]) {
      $0.layerNorm($1[0], scale: $1[1], shift: $1[2], epsilon: 1e-3)
    },
    Case("layerNorm of one block", [(2, 16), (1, 16), (1, 16)]) {
      $0.layerNorm($1[0], scale: $1[1], shift: $1[2], epsilon: 1e-5)
    },
    Case("a residual block whose input is read twice", [(3, 10), (1, 10), (1, 10), (20, 10), (10, 10)]) {
      let h = $0.layerNorm($1[0], scale: $1[1], shift: $1[2], epsilon: 1e-5)
      // Small weights, so that third derivatives are.
      let wide = $0.matrixProduct(h, $0.scale($1[3], by: 0.1), transposeB: true)
      return $0.sum(1, $1[0], 0.1, $0.matrixProduct($0.geglu(wide), $1[4]))
    },
  ]

  @Test("gradient and tangent of every operation equal central differences", arguments: cases)
  func composed(c: Case) { checkDerivatives(c) }

  @Test(
    "so do the gradients of fused operations",
    arguments: cases.filter { ["geglu", "layerNorm", "a residual"].contains(where: $0.name.hasPrefix) })
  func fused(c: Case) { checkDerivatives(c, composing: false) }

  private let tape = Tape(ParameterLayout())

  /// Φ(x) in double, in both tails.
  private static func distribution(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

  @Test("gelu is x Φ(x) everywhere, and its derivatives are those of this formula") func exact() {
    // A length that leaves a tail of a vector.
    let x = (-2000...2002).map { Float($0) / 100 }
    for order in 0...3 {
      tape.begin(parameters: [0], recording: false)
      let found = tape.gelu(tape.filled(1, x.count, x), order: order).array
      for (x, found) in zip(x, found) {
        let x = Double(x)
        let bell = exp(-x * x / 2) / (2 * Double.pi).squareRoot()
        let phi = Self.distribution(x)
        let expected = [x * phi, phi + x * bell, (2 - x * x) * bell, (x * x * x - 4 * x) * bell][order]
        // Φ is right to 4e-7 of itself and e^{−x²/2} to x²/2 + 1 units of 6e-8; sums of two terms of opposite sign lose
        // what they cancel: at most their size, below 2.
        #expect(abs(Double(found) - expected) < 1e-6 * max(1, abs(expected)), "order \(order) at \(x)")
        // Order 0 does not cancel: relative, down to where floats end.
        if order == 0 && abs(expected) > 1e-30 {
          #expect(abs(Double(found) / expected - 1) < 6e-7 + 1.2e-7 * x * x, "\(x)")
        }
      }
    }
  }

  @Test("quickGELU is x / (1 + e^{−1.702 x})") func quick() {
    let x = (-2000...2002).map { Float($0) / 100 }
    tape.begin(parameters: [0], recording: false)
    let found = tape.quickGELU(tape.filled(1, x.count, x)).array
    for (x, found) in zip(x, found) {
      let expected = Double(x) / (1 + exp(-1.702 * Double(x)))
      // The exponent of up to 34 is formed in floats: 34 · 6e-8 of the result.
      #expect(abs(Double(found) - expected) < 3e-6 * max(1e-30, abs(expected)), "\(x)")
    }
  }

  @Test("what is not finite stays so, and the largest floats do not overflow on the way") func hostile() {
    let x: [Float] = [.nan, .infinity, 3e38, -3e38, 0, -0.0]
    tape.begin(parameters: [0], recording: false)
    let exact = tape.gelu(tape.filled(1, 6, x)).array
    #expect(exact[0].isNaN && exact[1] == .infinity && exact[2] == 3e38 && abs(exact[3]) < 1e-30)
    #expect(exact[4] == 0 && exact[5] == 0)
    let gated = tape.geglu(tape.filled(1, 4, [1, .nan, .nan, 1])).array
    #expect(gated.allSatisfy { $0.isNaN })
  }

  @Test("rows have mean shift and deviation scale, whatever their mean was", arguments: [1, 2, 15, 16, 17, 320])
  func norm(columns: Int) {
    let x = values(5 * columns, seed: 3).map { 100 + 2 * $0 }
    let (scale, shift) = (values(columns, seed: 4), values(columns, seed: 5))
    tape.begin(parameters: [0], recording: false)
    let found = tape.layerNorm(
      tape.filled(5, columns, x), scale: tape.filled(1, columns, scale), shift: tape.filled(1, columns, shift),
      epsilon: 1e-5
    ).array
    for r in 0..<5 {
      let row = x[r * columns..<(r + 1) * columns].map(Double.init)
      let mean = row.reduce(0, +) / Double(columns)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      for j in 0..<columns {
        let expected = Double(scale[j]) * (row[j] - mean) / (variance + 1e-5).squareRoot() + Double(shift[j])
        // The mean of about 100 is rounded to a float, 4e-6, against a deviation of 2; where there is one column, or
        // two close ones, √ε = 0.003 takes its place, and the mean is exact.
        #expect(abs(Double(found[r * columns + j]) - expected) < 1e-5 * max(1, abs(Double(scale[j]))), "\(r) \(j)")
      }
    }
  }

  @Test("a parameter without a gradient of its own is left alone; constants get none") func constants() {
    tape.begin(parameters: [0], recording: true)
    let (ones, zeros) = (tape.filled(1, 4, [1, 1, 1, 1]), tape.filled(1, 4, [0, 0, 0, 0]))
    let x = tape.filled(2, 4, values(8, seed: 1))
    let (scale, shift) = (
      tape.variable(tape.filled(1, 4, [1, 2, 3, 4])), tape.variable(tape.filled(1, 4, [1, 2, 3, 4]))
    )
    let y = tape.layerNorm(x, scale: scale, shift: shift, epsilon: 0)
    tape.backward(from: y)
    #expect(tape.gradient(of: shift)?.array == [2, 2, 2, 2])
    let plain = tape.layerNorm(x, scale: ones, shift: zeros, epsilon: 0).array
    let expected = (0..<4).map { plain[$0] + plain[4 + $0] }
    #expect(difference(tape.gradient(of: scale)?.array ?? [], expected) < 1e-6)
  }
}
