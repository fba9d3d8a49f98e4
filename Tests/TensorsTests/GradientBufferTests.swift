// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors
import TestSupport
import Testing

/// Gradients in the flat buffer of all parameters.
@Suite("Gradient buffers") struct GradientBufferTests {
  /// Σ over rows of (x + b) and again of (x + b): each use adds 3, the number of rows.
  @Test("a parameter that is used twice has the sum of both gradients, and so has a buffer that is added to")
  func usesAreAdded() {
    var layout = ParameterLayout()
    let bias = layout.add("bias", shape: [5])
    let tape = Tape(layout)
    let parameters: [Float] = [1, 2, 3, 4, 5]
    var gradients = [Float](repeating: 100, count: 5)
    for accumulate in [false, true] {
      parameters.withUnsafeBufferPointer { parameters in
        tape.begin(parameters: parameters.baseAddress!, recording: true)
        let b = tape.parameter(bias)
        let x = tape.filled(3, 5, values(15, seed: 1))
        let twice = tape.sum(1, tape.addBias(x, b), 2, tape.addBias(x, b))
        gradients.withUnsafeMutableBufferPointer {
          tape.backward(
            from: tape.columnSums(tape.rowSums(twice)), gradients: $0.baseAddress!, accumulate: accumulate)
        }
      }
      #expect(gradients == [Float](repeating: accumulate ? 18 : 9, count: 5))
    }
  }
}
