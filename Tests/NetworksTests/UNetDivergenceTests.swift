// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

@Suite("The divergence of a U-Net") struct UNetDivergenceTests {
  private static let rows = 2

  private func network() throws -> UNet { try tinyUNet { ($0.second, $0.divergence) = (true, true) } }

  private func evaluate(
    _ network: UNet, _ parameters: [Float], _ x: [Float], withDivergence: Bool = true, recording: Bool = true,
    _ then: (_ tape: Tape, _ input: Tensor, _ output: Tensor) -> Void = { _, _, _ in }
  ) -> [Float] {
    let (rows, tape) = (Self.rows, network.makeTape())
    return parameters.withUnsafeBufferPointer { p in
      tape.begin(parameters: p.baseAddress!, recording: recording, composing: recording)
      var input = tape.filled(rows, network.dimension, x)
      if recording { input = tape.variable(input) }
      let (level, second) = (tape.filled(rows, 1, [12, 430]), tape.filled(rows, 1, [3, 77]))
      let output =
        withDivergence
        ? network.forwardWithDivergence(input, noiseLevel: level, second: second, condition: nil, on: tape)
        : network.forward(input, noiseLevel: level, second: second, condition: nil, on: tape)
      then(tape, input, output)
      return output.array
    }
  }

  @Test("stands beside the output, is 0 at first, and moves with its weights and the input") func divergence() throws {
    let network = try network()
    let (rows, n) = (Self.rows, network.dimension)
    let x = values(rows * n, seed: 1)
    let begun = evaluate(network, network.initialParameters(seed: 1), x)
    for i in 0..<rows { #expect(begun[i * (n + 1) + n] == 0) }

    var next: UInt64 = 10
    let parameters = network.layout.buffer { part in
      next += 1
      let fan = part.shape.dropFirst().reduce(1, *)
      let isScale = part.name.contains("norm") && part.name.hasSuffix("weight")
      return values(part.count, seed: next).map { (isScale ? 1 : 0) + $0 / Float(fan).squareRoot() }
    }
    let direction = values(rows * n, seed: 2)
    var moved: [Float] = []
    var gradient = [Float](repeating: .nan, count: network.layout.count)
    let both = evaluate(network, parameters, x) { tape, input, output in
      moved = tape.tangent(of: output, along: (input, tape.filled(rows, n, direction)))?.array ?? []
      let last = tape.filled(rows, n + 1, (0..<rows * (n + 1)).map { $0 % (n + 1) == n ? 1 : 0 })
      gradient.withUnsafeMutableBufferPointer {
        tape.backward(from: output, adjoint: last, gradients: $0.baseAddress!)
      }
    }
    let alone = evaluate(network, parameters, x, withDivergence: false)
    #expect(both.count == rows * (n + 1))
    for i in 0..<rows { for j in 0..<n { #expect(both[i * (n + 1) + j] == alone[i * n + j]) } }
    // Fused operations round otherwise.
    for (a, b) in pairs(evaluate(network, parameters, x, recording: false), both) { #expect(abs(a - b) < 1e-4) }
    // By the bias of the head: one for each of 8 × 4 pixels, over √(8 · 4 · 2), of both rows.
    network.layout.forEachTensor(of: gradient) { part, values in
      if part.name == "divergence.bias" { #expect(abs(values[0] - 2 * 32 / 8) < 1e-5, "\(values)") }
    }
    func shifted(_ h: Float) -> [Float] { evaluate(network, parameters, pairs(x, direction).map { $0 + h * $1 }) }
    let (up, down) = (shifted(0.01), shifted(-0.01))
    for i in 0..<rows {
      let place = i * (n + 1) + n
      let change = (up[place] - down[place]) / 0.02
      // Rounding of floats over the step, 1e-6/0.02, and h² times a third derivative.
      #expect(
        abs(change) > 0.01 && abs(moved[place] - change) < 2e-3 * max(1, abs(change)), "\(moved[place]) \(change)")
    }
  }

  @Test("needs two noise levels") func refused() {
    #expect(throws: InputError.self) { _ = try tinyUNet { $0.divergence = true } }
  }
}
