// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

/// One operation as a function of its inputs.
struct Case: Sendable, CustomTestStringConvertible {
  let name: String
  let shapes: [(rows: Int, columns: Int)]
  let apply: @Sendable (Tape, [Tensor]) -> Tensor
  var testDescription: String { name }

  init(_ name: String, _ shapes: [(Int, Int)], _ apply: @escaping @Sendable (Tape, [Tensor]) -> Tensor) {
    self.name = name
    self.shapes = shapes.map { (rows: $0.0, columns: $0.1) }
    self.apply = apply
  }
}

@Suite("Tape") struct TapeTests {
  static let cases: [Case] = [
    Case("matrixProduct", [(5, 7), (7, 3)]) { $0.matrixProduct($1[0], $1[1]) },
    Case("matrixProduct aᵀ", [(7, 5), (7, 3)]) { $0.matrixProduct($1[0], $1[1], transposeA: true) },
    Case("matrixProduct bᵀ", [(5, 7), (3, 7)]) { $0.matrixProduct($1[0], $1[1], transposeB: true) },
    Case("matrixProduct aᵀ bᵀ", [(7, 5), (3, 7)]) {
      $0.matrixProduct($1[0], $1[1], transposeA: true, transposeB: true)
    },
    Case("addBias", [(5, 19), (1, 19)]) { $0.addBias($1[0], $1[1]) },
    Case("biasThenSilu", [(5, 19), (1, 19)]) { $0.biasThenSilu($0.scale($1[0], by: 1), $1[1]) },
    Case("silu", [(3, 17)]) { $0.silu($1[0]) },
    Case("silu′", [(3, 17)]) { $0.silu($1[0], order: 1) },
    Case("silu″", [(3, 17)]) { $0.silu($1[0], order: 2) },
    Case("sum", [(5, 7), (5, 7)]) { $0.sum(2, $1[0], -0.5, $1[1]) },
    Case("sum of one tensor twice", [(5, 7)]) { $0.sum(2, $1[0], -0.5, $1[0]) },
    Case("scale", [(5, 7)]) { $0.scale($1[0], by: 3) },
    Case("product", [(5, 7), (5, 7)]) { $0.product($1[0], $1[1]) },
    Case("square", [(5, 7)]) { $0.product($1[0], $1[0]) },
    Case("scaleRows", [(5, 7)]) { $0.scaleRows($1[0], by: $0.filled(5, 1, [1, -2, 3, 0, 0.5])) },
    Case("columnSums", [(5, 19)]) { $0.columnSums($1[0]) },
    Case("rowSums", [(5, 19)]) { $0.rowSums($1[0]) },
    Case("repeatRow", [(1, 7)]) { $0.repeatRow($1[0], rows: 4) },
    Case("repeatColumn", [(5, 1)]) { $0.repeatColumn($1[0], columns: 6) },
    Case("concatenate", [(5, 3), (5, 4)]) { $0.concatenate($1[0], $1[1]) },
    Case("columns", [(5, 7)]) { $0.columns($1[0], first: 2, count: 3) },
    Case("pad", [(5, 3)]) { $0.pad($1[0], first: 2, total: 7) },
    Case("sinusoids", [(5, 1)]) { $0.sinusoids($1[0], frequencies: $0.filled(1, 3, [0.5, 1, 2])) },
    Case("sinusoids′", [(5, 1)]) { $0.sinusoids($1[0], frequencies: $0.filled(1, 3, [0.5, 1, 2]), order: 1) },
    Case("weightedSquares", [(5, 7)]) { $0.weightedSquares($1[0], by: $0.filled(5, 1, [1, 0.2, 3, 0, 0.5])) },
    Case("a chain that uses an input three times", [(4, 4), (4, 4)]) {
      let y = $0.silu($0.matrixProduct($1[0], $1[1]))
      return $0.product($0.sum(1, y, 0.3, $1[0]), $0.columns($0.concatenate($1[0], y), first: 2, count: 4))
    },
  ]

  @Test("gradient and tangent of every operation equal central differences", arguments: cases)
  func derivatives(c: Case) { checkDerivatives(c) }

  @Test("second derivatives: a taped backward pass can be differentiated both ways") func secondDerivatives() {
    let network = MLP(dimension: 3, hidden: [9, 8], features: TimeFeatures(.sinusoidal, count: 4, scale: 1, seed: 1))
    let parameters = values(network.layout.count, seed: 4).map { 0.5 * $0 }
    let (x, direction, adjoint) = (values(6, seed: 1), values(6, seed: 2), values(6, seed: 3))
    let tape = Tape(network.layout)
    func gradient(_ x: [Float], _ then: (Tensor, Tensor) -> Void) -> [Float] {
      parameters.withUnsafeBufferPointer { p in
        tape.begin(parameters: p.baseAddress!, recording: true)
        let input = tape.variable(tape.filled(2, 3, x))
        let output = network.forward(input, noiseLevel: tape.filled(2, 1, [0.3, 1.2]), on: tape)
        tape.backward(from: output, adjoint: tape.filled(2, 3, adjoint), taped: true)
        let g = tape.gradient(of: input)!
        let result = g.array
        then(g, input)
        return result
      }
    }
    var backward: [Float] = []
    var forward: [Float] = []
    _ = gradient(x) { g, input in
      forward = tape.tangent(of: g, along: [(input, tape.filled(2, 3, direction))])?.array ?? []
      tape.backward(from: g, adjoint: tape.filled(2, 3, direction))
      backward = tape.gradient(of: input)?.array ?? []
    }
    let up = gradient(pairs(x, direction).map { $0 + h * $1 }) { _, _ in }
    let down = gradient(pairs(x, direction).map { $0 - h * $1 }) { _, _ in }
    #expect(backward.count == 6 && forward.count == 6)
    for i in backward.indices {
      let difference = Double(up[i] - down[i]) / Double(2 * h)
      // The Hessian is symmetric: both products are the same.
      #expect(isClose(Double(backward[i]), difference))
      #expect(isClose(Double(forward[i]), difference))
    }
    #expect(backward.contains { abs($0) > 0.01 })
  }

  @Test("the gradient of every parameter of an MLP equals central differences; an unused one gets 0") func parameters()
  {
    var layout = ParameterLayout()
    let weight = layout.add("weight", shape: [4, 3])
    let unused = layout.add("unused", shape: [5])
    let bias = layout.add("bias", shape: [4])
    var parameters = values(layout.count, seed: 4)
    let tape = Tape(layout)
    let x = values(6, seed: 1)
    func loss(_ gradients: UnsafeMutablePointer<Float>?) -> Double {
      parameters.withUnsafeBufferPointer { p in
        tape.begin(parameters: p.baseAddress!, recording: true)
        // The weight is used twice: its gradient is a sum.
        let first = tape.biasThenSilu(
          tape.matrixProduct(tape.filled(2, 3, x), tape.parameter(weight), transposeB: true), tape.parameter(bias))
        let second = tape.matrixProduct(first, tape.parameter(weight))
        let loss = tape.weightedSquares(second, by: tape.filled(2, 1, [0.7, 1.3]))
        if let gradients { tape.backward(from: loss, gradients: gradients) }
        return Double(loss.values[0])
      }
    }
    var gradients = [Float](repeating: .nan, count: layout.count)
    let value = loss(&gradients)
    for i in parameters.indices {
      let kept = parameters[i]
      parameters[i] = kept + h
      let up = loss(nil)
      parameters[i] = kept - h
      let down = loss(nil)
      parameters[i] = kept
      #expect(isClose(Double(gradients[i]), (up - down) / Double(2 * h), scale: value))
    }
    let entry = layout.entries[unused]
    #expect(gradients[entry.offset..<entry.offset + entry.count].allSatisfy { $0 == 0 })
  }
}

/// The output for inputs shifted by `step` along `directions`.
private func output(
  _ c: Case, _ inputs: [[Float]], _ directions: [[Float]], _ step: Float, _ tape: Tape, _ composing: Bool
) -> [Float] {
  tape.begin(parameters: [0], recording: true, composing: composing)
  let tensors = c.shapes.indices.map { k in
    tape.variable(
      tape.filled(
        c.shapes[k].rows, c.shapes[k].columns, pairs(inputs[k], directions[k]).map { $0 + step * $1 }))
  }
  return c.apply(tape, tensors).array
}

/// Compares the gradient, and the tangent where the tape composes, with central differences.
func checkDerivatives(_ c: Case, composing: Bool = true) {
  let tape = Tape(ParameterLayout())
  let inputs = c.shapes.enumerated().map { values($1.rows * $1.columns, seed: UInt64(10 + $0)) }
  let directions = c.shapes.enumerated().map { values($1.rows * $1.columns, seed: UInt64(20 + $0)) }
  tape.begin(parameters: [0], recording: true, composing: composing)
  let tensors = c.shapes.indices.map {
    tape.variable(tape.filled(c.shapes[$0].rows, c.shapes[$0].columns, inputs[$0]))
  }
  let result = c.apply(tape, tensors)
  let adjoint = values(result.count, seed: 30)
  let tangent =
    !composing
    ? nil
    : tape.tangent(
      of: result, along: Array(pairs(tensors, pairs(c.shapes, directions).map { tape.filled($0.rows, $0.columns, $1) }))
    )
  let moved = tangent.map(\.array) ?? []
  tape.backward(from: result, adjoint: tape.filled(result.rows, result.columns, adjoint))
  let gradients = tensors.map { tape.gradient(of: $0)?.array ?? [] }
  let scale = Double(result.count).squareRoot()

  // The tangent, value by value.
  let other = Tape(ParameterLayout())
  let (up, down) = (
    output(c, inputs, directions, h, other, composing), output(c, inputs, directions, -h, other, composing)
  )
  #expect(moved.count == (composing ? up.count : 0))
  for i in moved.indices { #expect(isClose(Double(moved[i]), Double(up[i] - down[i]) / Double(2 * h), scale: scale)) }

  // The gradient, input by input.
  for k in inputs.indices {
    #expect(gradients[k].count == inputs[k].count)
    for j in inputs[k].indices {
      var unit = inputs.map { $0.map { _ in Float(0) } }
      unit[k][j] = 1
      let (up, down) = (output(c, inputs, unit, h, other, composing), output(c, inputs, unit, -h, other, composing))
      let difference =
        adjoint.indices.reduce(0.0) { $0 + Double(adjoint[$1]) * Double(up[$1] - down[$1]) } / Double(2 * h)
      #expect(isClose(Double(gradients[k][j]), difference, scale: scale))
    }
  }
}
