// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Tensors
import TestSupport
import Testing

@Suite("Networks around others") struct NetworkWrapperTests {
  private static let inner = MLP(
    dimension: 3, hidden: [9, 8], features: TimeFeatures(.sinusoidal, count: 4, scale: 1, seed: 1), second: true,
    divergence: true)
  private static let parameters = inner.initialParameters(seed: 4).map { $0 + 0.05 }

  /// Each with its own parameters, of which the inner network is the one above.
  private static func wrappers() throws -> [(network: any NetworkWrapper, parameters: [Float])] {
    let stored = StoredParameters(inner.layout, kinds: inner.layout.entries.map { _ in .single })
    parameters.withUnsafeBytes { values in
      for (index, entry) in inner.layout.entries.enumerated() {
        stored.memory(ofParameter: index).copyMemory(
          from: values.baseAddress! + 4 * entry.offset, byteCount: 4 * entry.count)
      }
    }
    let adapted = try LowRankNetwork(inner, base: parameters, rank: 1, alpha: 1) { _ in true }
    return [
      (CompanionNetwork(inner), parameters + parameters.map { -$0 }),
      (WeightedNetwork(inner, seed: 3), parameters + [Float](repeating: 1, count: 32)),
      (StoredNetwork(inner, parameters: stored), []),
      (adapted, adapted.initialParameters(seed: 1)),
    ]
  }

  @Test("have its properties and outputs, that for divergences among them") func outputs() throws {
    func evaluated(_ network: any Network, _ parameters: [Float]) -> [[Float]] {
      let tape = network.makeTape()
      return (parameters + [0]).withUnsafeBufferPointer {
        tape.begin(parameters: $0.baseAddress!, recording: false)
        let (x, level) = (tape.filled(2, 3, values(6, seed: 1)), tape.filled(2, 1, [0.3, 1.2]))
        let second = tape.filled(2, 1, [0.1, 0.7])
        return [
          network.forward(x, noiseLevel: level, second: second, condition: nil, on: tape).array,
          network.forwardWithDivergence(x, noiseLevel: level, second: second, condition: nil, on: tape).array,
        ]
      }
    }
    let wanted = evaluated(Self.inner, Self.parameters)
    for (network, parameters) in try Self.wrappers() {
      #expect(network.layout.count == parameters.count)
      #expect(network.takesSecond && network.hasDivergence && network.noiseInput == Self.inner.noiseInput)
      #expect(network.shardRows == Self.inner.shardRows && network.evaluationRows == Self.inner.evaluationRows)
      #expect(evaluated(network, parameters) == wanted, "\(network)")
    }
  }
}
