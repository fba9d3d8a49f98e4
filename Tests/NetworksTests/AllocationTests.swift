// SPDX-License-Identifier: GPL-3.0-or-later
import AllocationCounter
import Core
import Networks
import Tensors
import TestSupport
import Testing

/// How often a worker takes memory from the heap once it is warm: calls of malloc, calloc, realloc and their aligned
/// relatives on the worker's thread, by Swift and by our kernels, between the beginning of a pass and its last
/// gradient. What oneDNN asks for inside its own calls is not counted, and neither is what a trainer does around a pass
/// (threads, the optimiser).
@Suite("Allocations") struct AllocationTests {
  enum Kind: String, CaseIterable {
    case mlp, told, unet, residual

    func network() throws -> any Network {
      let features = TimeFeatures(.sinusoidal, count: 8, scale: 1, seed: 1)
      return switch self {
      case .mlp: MLP(dimension: 3, hidden: [16, 16], features: features)
      case .told: MLP(dimension: 3, hidden: [16, 16], features: features, condition: .classes(3))
      case .unet: try tinyUNet()
      case .residual:
        try tinyUNet {
          $0.scaleShift = true
          for i in 0..<2 { ($0.down[i].resampling, $0.up[i].resampling) = (.residual, .residual) }
          $0.dropout = 0.1
        }
      }
    }
  }

  @Test("a warm pass takes no memory", arguments: Kind.allCases, [true, false])
  func steady(_ kind: Kind, training: Bool) throws {
    let network = try kind.network()
    let tape = network.makeTape()
    let parameters = network.initialParameters(seed: 1)
    let data = values(4 * network.dimension, seed: 1)
    var gradients = parameters
    func pass(_ step: Int) {
      parameters.withUnsafeBufferPointer { p in
        guard let base = p.baseAddress else { return }
        tape.begin(parameters: base, recording: training)
        if training { tape.enableDropout(seed: 1, step: step, firstRow: 0) }
        let (x, level, weight) = (
          tape.constant(rows: 4, columns: network.dimension), tape.constant(rows: 4, columns: 1),
          tape.constant(rows: 4, columns: 1)
        )
        for i in 0..<data.count { x.values[i] = data[i] }
        for i in 0..<4 { (level.values[i], weight.values[i]) = (Float(10 * i), 1) }
        let y = network.forward(
          x, noiseLevel: level, second: nil, condition: network.conditionShape == .nothing ? nil : weight, on: tape)
        if !training { return }
        let loss = tape.weightedSquares(tape.sum(1, y, -1, x), by: weight)
        gradients.withUnsafeMutableBufferPointer {
          guard let base = $0.baseAddress else { return }
          tape.backward(from: loss, gradients: base)
        }
      }
    }
    for step in 0..<3 { pass(step) }
    let before = allocation_count_of_program()
    for step in 3..<8 { pass(step) }
    let count = allocation_count_of_program() - before
    if count > 0 {
      allocation_trace_next()
      pass(8)
    }
    #expect(count == 0, "\(count) allocations in five passes")
  }
}
