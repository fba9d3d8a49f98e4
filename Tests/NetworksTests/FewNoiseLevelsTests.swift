// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

@Suite("Few noise levels among many rows") struct FewNoiseLevelsTests {
  private static let rows = 96

  private struct Result {
    var output: [Float] = []
    var gradients: [Float] = []
    var byInput: [Float] = []
  }

  /// A pass and its gradients; noise levels that are variables are taken row by row.
  private func pass(_ network: MLP, _ levels: [Float], rowByRow: Bool, once: Bool, recording: Bool = true) -> Result {
    let (rows, tape) = (Self.rows, network.makeTape())
    let parameters = values(network.layout.count, seed: 3).map { 0.4 * $0 }
    var result = Result(gradients: [Float](repeating: .nan, count: network.layout.count))
    parameters.withUnsafeBufferPointer { p in
      tape.begin(parameters: p.baseAddress!, recording: recording, composing: !once, once: once)
      var x = tape.filled(rows, network.dimension, values(rows * network.dimension, seed: 1))
      if recording { x = tape.variable(x) }
      let column = tape.filled(rows, 1, levels)
      let level = rowByRow ? tape.variable(column) : column
      let classes = network.conditionShape == .nothing ? nil : tape.filled(rows, 1, (0..<rows).map { Float($0 % 3) })
      let y = network.forward(
        x, noiseLevel: level, second: network.takesSecond ? tape.filled(rows, 1, levels.map { 0.5 * $0 }) : nil,
        condition: classes, on: tape)
      result.output = y.array
      guard recording else { return }
      result.gradients.withUnsafeMutableBufferPointer {
        tape.backward(
          from: y, adjoint: tape.filled(rows, network.outputDimension, values(y.count, seed: 2)),
          gradients: $0.baseAddress!)
      }
      result.byInput = tape.gradient(of: x)?.array ?? []
    }
    return result
  }

  @Test("give the output and gradients of a pass row by row", arguments: [false, true], [false, true])
  func equal(isTold: Bool, second: Bool) {
    let network = MLP(
      dimension: 3, hidden: [17, 9], features: TimeFeatures(.fourier, count: 8, scale: 0.2, seed: 1),
      condition: isTold ? .classes(3) : .nothing, second: second)
    let few = (0..<Self.rows).map { Float([0.3, -1.2, 0.3, 2.5, 0.7][($0 * 7 / 3) % 5]) }
    for once in [false, true] {
      let (all, one) = (
        pass(network, few, rowByRow: false, once: once), pass(network, few, rowByRow: true, once: false)
      )
      for (found, wanted) in [
        (all.output, one.output), (all.gradients, one.gradients), (all.byInput, one.byInput),
        (pass(network, few, rowByRow: false, once: true, recording: false).output, one.output),
      ] {
        let size = wanted.reduce(0) { max($0, abs($1)) }
        #expect(size > 0.1 && found.count == wanted.count)
        // Sums of some dozen floats, and over 96 rows, in another order.
        for (a, b) in pairs(found, wanted) { #expect(abs(a - b) < 1e-5 * size, "\(a) \(b)") }
      }
    }
  }

  @Test("are found where they are at most a quarter of the rows, as constants alone") func found() {
    let tape = MLP(dimension: 1, hidden: [2], features: TimeFeatures(.sinusoidal, count: 2, scale: 1, seed: 1))
      .makeTape()
    var parameters = [Float](repeating: 0, count: 100)
    parameters.withUnsafeMutableBufferPointer { tape.begin(parameters: $0.baseAddress!, recording: true) }
    func count(_ distinct: Int, rows: Int = 80) -> Int? {
      tape.fewValues(of: tape.filled(rows, 1, (0..<rows).map { Float(($0 * 37) % distinct) }))?.values.rows
    }
    #expect(count(20) == 20 && count(1) == 1 && count(21) == nil && count(80) == nil && count(2, rows: 63) == nil)
    let column = tape.filled(80, 1, (0..<80).map { Float($0 % 3 - 1) })
    #expect(tape.fewValues(of: tape.variable(column)) == nil)
    if let few = tape.fewValues(of: column) {
      for i in 0..<80 { #expect(few.values.values[Int(few.indices.values[i])] == column.values[i]) }
    }
  }
}
