// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Tensors
import TestSupport
import Testing

private struct Letters: TextInput {
  let length = 2
  let tokenCount = 27
  func ids(of text: String) -> [Int] { [1, 2] }
  func note(on text: String) -> String? { nil }
}

/// W x, and the noise levels and conditions added: a network of which no property is the default.
private struct Odd: Network {
  let dimension = 4
  let outputDimension = 2
  let noiseInput = NoiseLevelInput.discrete(7)
  let conditionShape = ConditionShape.classes(3)
  let textInput: (any TextInput)? = Letters()
  let knowsNothing = true
  let takesSecond = true
  let hasDivergence = true
  let takesRawInput = true
  let shardRows = 3...5
  let evaluationRows = 4
  let usesWinograd = false
  let layout: ParameterLayout
  private let builder: LayerBuilder
  private let layer: LinearLayer

  init() {
    var builder = LayerBuilder()
    layer = builder.linear("layer", from: 4, to: 2)
    (layout, self.builder) = (builder.layout, builder)
  }

  func initialParameters(seed: UInt64) -> [Float] { builder.initialParameters(seed: seed) }

  func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor { layer(told, on: tape) }

  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    guard let second, let condition else { preconditionFailure("it is told all") }
    let sums = tape.sum(1, tape.sum(1, noiseLevel, 2, second), 3, tape.rowSums(condition))
    return tape.sum(1, layer(x, on: tape), 1, tape.repeatColumn(sums, columns: 2))
  }

  func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    let map = forward(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
    return tape.concatenate(map, tape.rowSums(tape.product(map, map)))
  }
}

@Suite("Networks around others") struct NetworkWrapperTests {
  private static let inner = Odd()
  private static let parameters = values(inner.layout.count, seed: 4)

  /// What rows are told becomes, and the outputs without and with a divergence.
  private static func outputs(_ network: any Network, _ parameters: [Float], _ x: [Float], condition: [Float])
    -> [[Float]]
  {
    let tape = network.makeTape()
    return (parameters + [0]).withUnsafeBufferPointer {
      tape.begin(parameters: $0.baseAddress!, recording: false)
      let (x, level) = (tape.filled(2, x.count / 2, x), tape.filled(2, 1, [0.3, 1.2]))
      let (second, told) = (
        tape.filled(2, 1, [0.1, 0.7]), tape.filled(2, condition.count / 2, condition)
      )
      return [
        condition.count == 8 ? network.encodeCondition(told, on: tape).array : [],
        network.forward(x, noiseLevel: level, second: second, condition: told, on: tape).array,
        network.forwardWithDivergence(x, noiseLevel: level, second: second, condition: told, on: tape).array,
      ]
    }
  }

  private static func hasProperties(of inner: Odd, _ network: any Network) -> Bool {
    network.noiseInput == inner.noiseInput && network.takesSecond && network.hasDivergence && network.knowsNothing
      && network.takesRawInput && network.shardRows == inner.shardRows
      && network.evaluationRows == inner.evaluationRows && !network.usesWinograd && network.outputDimension == 2
  }

  @Test("have its properties and outputs under the parameters that are meant") func same() throws {
    let (inner, parameters) = (Self.inner, Self.parameters)
    let stored = StoredParameters(inner.layout, kinds: inner.layout.entries.map { _ in .single })
    parameters.withUnsafeBytes { values in
      for (index, entry) in inner.layout.entries.enumerated() {
        stored.memory(ofParameter: index).copyMemory(
          from: values.baseAddress! + 4 * entry.offset, byteCount: 4 * entry.count)
      }
    }
    let (x, condition) = (values(8, seed: 1), values(8, seed: 2))
    let wanted = Self.outputs(inner, parameters, x, condition: condition)
    let others: [(any Network, [Float])] = [
      (CompanionNetwork(inner), parameters + parameters.map { -$0 }),
      (WeightedNetwork(inner, seed: 3), parameters + [Float](repeating: 1, count: 32)),
      (StoredNetwork(inner, parameters: stored), []),
    ]
    for (network, own) in others {
      #expect(network.layout.count == own.count && network.dimension == 4)
      #expect(Self.hasProperties(of: inner, network) && network.conditionShape == .classes(3))
      #expect(network.textInput is Letters)
      #expect(Self.outputs(network, own, x, condition: condition) == wanted, "\(network)")
    }
  }

  @Test("adapters change all outputs, and are not asked where nothing is computed") func adapted() throws {
    let (inner, x, condition) = (Self.inner, values(8, seed: 1), values(8, seed: 2))
    let network = try LowRankNetwork(inner, base: Self.parameters, rank: 1, alpha: 2) { _ in true }
    let own = values(network.layout.count, seed: 6)
    let found = Self.outputs(network, own, x, condition: condition)
    let merged = Self.outputs(inner, network.merged(own), x, condition: condition)
    let base = Self.outputs(inner, Self.parameters, x, condition: condition)
    for (found, (merged, base)) in zip(found, zip(merged, base)) {
      // Floats of sums in another order.
      #expect(difference(found, merged) < 1e-5 * largest(merged), "\(found) \(merged)")
      #expect(difference(found, base) > 0.01 * largest(merged))
    }
    #expect(Self.hasProperties(of: inner, network) && network.textInput is Letters)
    // A class is told as it is.
    let perceptron = MLP(dimension: 2, hidden: [4], features: TimeFeatures(.fourier, count: 2, scale: 1, seed: 1))
    let plain = try LowRankNetwork(perceptron, base: perceptron.initialParameters(seed: 1), rank: 1, alpha: 1) { _ in
      true
    }
    let tape = plain.makeTape()
    plain.initialParameters(seed: 1).withUnsafeBufferPointer {
      tape.begin(parameters: $0.baseAddress!, recording: true)
      let told = tape.filled(1, 1, [1])
      #expect(plain.encodeCondition(told, on: tape).values == told.values)
    }
  }

  @Test("a text's encoder before it, and channels beside it") func around() throws {
    let (inner, parameters) = (Self.inner, Self.parameters)
    let encoder = try TextEncoder(TextEncoderArchitecture(tokens: 27, length: 2, width: 2, layers: 1, heads: 1))
    let text = try TextNetwork(inner, encoder: encoder, tokenizer: Letters(), values: nil, isTrained: true)
    let (x, context) = (values(8, seed: 1), values(6, seed: 2))
    let own = values(encoder.layout.count, seed: 3) + parameters
    #expect(Self.hasProperties(of: inner, text) && text.conditionShape == .text && text.textInput is Letters)
    #expect(
      Self.outputs(text, own, x, condition: context) == Self.outputs(inner, parameters, x, condition: context))
    // Two pixels of one channel, and one beside it.
    let beside = ChannelsBeside(inner, beside: [0.5, -2], pixels: 2)
    let all: [Float] = [x[0], 0.5, x[1], -2, x[2], 0.5, x[3], -2]
    #expect(Self.hasProperties(of: inner, beside) && beside.dimension == 2 && beside.layout == inner.layout)
    #expect(
      Self.outputs(beside, parameters, Array(x[..<4]), condition: context)
        == Self.outputs(inner, parameters, all, condition: context))
  }

  @Test("networks of steps: that of the nearest beginning computes") func steps() throws {
    let perceptron = MLP(dimension: 2, hidden: [4], features: TimeFeatures(.fourier, count: 2, scale: 1, seed: 1))
    let network = StepNetworks(perceptron, at: [5, 1, -2])
    let first = perceptron.initialParameters(seed: 3)
    #expect(network.initialParameters(seed: 3) == first + first + first && network.layout.count == 3 * first.count)
    let names = CompanionNetwork(network).layout.entries.flatMap(\.parts).map(\.name)
    #expect(Set(names).count == names.count)
    let plain = Set(perceptron.layout.entries.flatMap(\.parts).map(\.name))
    #expect(Set(names.compactMap { StepNetworks.origins(of: $0).last }) == plain)
    for (name, origins) in [
      ("steps.a", ["steps.a"]), ("step2.a.b", ["step2.a.b", "a.b"]), ("companion.a", ["companion.a", "a"]),
      ("companion.step12.a", ["companion.step12.a", "companion.a", "a"]),
    ] { #expect(StepNetworks.origins(of: name) == origins) }
    let parts = (0..<3).map { values(first.count, seed: UInt64(20 + $0)) }
    func output(_ network: any Network, _ parameters: [Float], at level: Float) -> [Float] {
      let tape = network.makeTape()
      return parameters.withUnsafeBufferPointer {
        tape.begin(parameters: $0.baseAddress!, recording: false)
        return network.forward(
          tape.filled(2, 2, [0.3, -1, 2, 0.5]), noiseLevel: tape.filled(1, 1, [level]), second: nil, condition: nil,
          on: tape
        ).array
      }
    }
    for (level, step) in [(5.1 as Float, 0), (3.1, 0), (2.9, 1), (1, 1), (-0.4, 1), (-0.6, 2), (-9, 2)] {
      #expect(output(network, parts.flatMap { $0 }, at: level) == output(perceptron, parts[step], at: level))
    }
  }
}
