// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Scores
import Synchronization
import Tensors
import TestSupport
import Testing

/// W [x, context] + b: a small network whose condition is a context.
struct ContextLayer: Network {
  let dimension: Int
  let layout: ParameterLayout
  let noiseInput = NoiseLevelInput.time
  private let layer: LinearLayer
  private let builder: LayerBuilder

  init(dimension: Int, context: Int) {
    self.dimension = dimension
    var builder = LayerBuilder()
    layer = builder.linear("layer", from: dimension + context, to: dimension)
    (layout, self.builder) = (builder.layout, builder)
  }

  func initialParameters(seed: UInt64) -> [Float] { builder.initialParameters(seed: seed) }

  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    guard let condition else { preconditionFailure("no context") }
    return layer(tape.concatenate(x, condition), on: tape)
  }
}

/// Letters as numbers, and a count of how often a text was read.
final class LetterInput: TextInput {
  let length = 4
  let tokenCount = 27
  func ids(of text: String) -> [Int] {
    let letters = text.utf8.prefix(length).map { Int($0) - 96 }
    return letters + Array(repeating: 0, count: length - letters.count)
  }
  func note(on text: String) -> String? { text.utf8.count > length ? "cut" : nil }
}

/// A network that counts the rows that it encodes.
struct CountingNetwork: NetworkWrapper {
  let inner: any Network
  let encoded: Counter

  final class Counter: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add(_ n: Int) { count.withLock { $0 += n } }
  }

  var layout: ParameterLayout { inner.layout }
  func initialParameters(seed: UInt64) -> [Float] { inner.initialParameters(seed: seed) }
  func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor {
    encoded.add(told.rows)
    return inner.encodeCondition(told, on: tape)
  }
}

@Suite struct TextNetworkTests {
  private static let architecture = TextEncoderArchitecture(tokens: 27, length: 4, width: 6, layers: 1, heads: 2)

  private static func network(values: [Float]? = nil, isTrained: Bool = true) throws -> TextNetwork {
    try TextNetwork(
      ContextLayer(dimension: 3, context: 24), encoder: TextEncoder(architecture), tokenizer: LetterInput(),
      values: values, isTrained: isTrained)
  }

  /// Embeddings as large as others, so that gradients are not all small.
  private static func parameters(_ network: TextNetwork) -> [Float] {
    values(network.layout.count, seed: 8).map { 0.4 * $0 }
  }

  private static func output(_ network: any Network, _ parameters: [Float], _ texts: [String]) -> [Float] {
    let tape = network.makeTape()
    return parameters.withUnsafeBufferPointer {
      tape.begin(parameters: $0.baseAddress!, recording: false)
      let told = ScoreModel.makeConditionTensor(rows: texts.count, for: network, on: tape)!
      for (row, text) in texts.enumerated() { ScoreModel.write(.text(text), into: told, row: row, for: network) }
      let x = tape.filled(texts.count, 3, values(3 * texts.count, seed: 2))
      return network.forward(
        x, noiseLevel: tape.filled(1, 1, [1]), second: nil, condition: network.encodeCondition(told, on: tape), on: tape
      ).array
    }
  }

  @Test("names of the parts stay, behind text_encoder. and unet.") func names() throws {
    let network = try Self.network()
    let names = network.layout.entries.flatMap { $0.parts.map(\.name) }
    #expect(
      names.contains("text_encoder.encoder.layers.0.self_attn.q_proj.weight") && names.contains("unet.layer.bias"))
    #expect(Set(names).count == names.count)
    #expect(network.initialParameters(seed: 1).count == network.layout.count)
    let parameters = Self.parameters(network)
    #expect(network.encoderParameters(parameters) + network.innerParameters(parameters) == parameters)
    #expect(network.knowsNothing && network.conditionShape == .text)
  }

  @Test("gradients flow through the context into the encoder: central differences") func gradients() throws {
    let network = try Self.network()
    var parameters = Self.parameters(network)
    let tape = network.makeTape()
    let texts = ["abc", "zyxw", ""]
    func loss(_ gradients: UnsafeMutablePointer<Float>?) -> Double {
      parameters.withUnsafeBufferPointer {
        tape.begin(parameters: $0.baseAddress!, recording: true)
        let told = ScoreModel.makeConditionTensor(rows: 3, for: network, on: tape)!
        for (row, text) in texts.enumerated() { ScoreModel.write(.text(text), into: told, row: row, for: network) }
        let condition = network.encodeCondition(told, on: tape)
        let y = network.forward(
          tape.filled(3, 3, values(9, seed: 1)), noiseLevel: tape.filled(1, 1, [1]), second: nil, condition: condition,
          on: tape)
        let loss = tape.weightedSquares(y, by: tape.filled(3, 1, [0.5, 1, 2]))
        if let gradients { tape.backward(from: loss, gradients: gradients) }
        return Double(loss.values[0])
      }
    }
    var found = [Float](repeating: .nan, count: network.layout.count)
    let value = loss(&found)
    #expect(found.allSatisfy { $0.isFinite })
    // Every seventh parameter: some of each.
    var moved = 0
    for i in stride(from: 0, to: parameters.count, by: 7) {
      let kept = parameters[i]
      parameters[i] = kept + h / 4
      let up = loss(nil)
      parameters[i] = kept - h / 4
      let down = loss(nil)
      parameters[i] = kept
      let expected = (up - down) / Double(h / 2)
      // Truncation (h/4)²/6 f''' and rounding 6e-8/(h/4) of the loss.
      #expect(abs(Double(found[i]) - expected) < 2e-3 * max(1, value, abs(expected)), "\(i)")
      if abs(expected) > 0.01 && i < network.encoder.layout.count { moved += 1 }
    }
    #expect(moved > 20)
  }

  @Test("an encoder that stays gives what a trained one gives, and has no parameters to train") func frozen() throws {
    let trained = try Self.network()
    let parameters = Self.parameters(trained)
    let frozen = try Self.network(values: trained.encoderParameters(parameters), isTrained: false)
    let inner = trained.innerParameters(parameters)
    #expect(
      frozen.layout.count == inner.count && frozen.layout.entries.allSatisfy { $0.parts[0].name.hasPrefix("unet.") })
    let texts = ["abc", "b", "abc", ""]
    let (a, b) = (Self.output(trained, parameters, texts), Self.output(frozen, inner, texts))
    // The trained one takes all rows in one product, the other each text by itself.
    #expect(difference(a, b) < 1e-5 * largest(a))
    #expect(frozen.encoderParameters(inner) == trained.encoderParameters(parameters))
  }

  @Test("a score encodes each text once, however many rows, parts and steps there are") func once() throws {
    let base = try Self.network()
    let counting = CountingNetwork(inner: base, encoded: .init())
    let process = PreparedProcess(VPSDE())
    let model = ScoreModel(
      counting, parameters: Self.parameters(base), prediction: .noise, kernel: try #require(process.kernel), duration: 1
    )
    let rows = 600
    let texts = (0..<rows).map { ["abc", "b", ""][$0 % 3] }
    try model.check(.texts(texts))
    let score = model.score(given: .texts(texts))
    var x = Batch(count: rows, dimension: 3)
    for i in 0..<rows { for j in 0..<3 { x[i, j] = Double(j) - 1 + Double(i / 3) / 100 } }
    var s = Batch(count: rows, dimension: 3)
    for first in stride(from: 0, to: rows, by: 256) {
      let count = min(256, rows - first)
      let evaluator = try score.makeEvaluator(for: RowSpan(first: first, count: count, dimension: 3))
      for t in [0.2, 0.5, 0.9] {
        try x.withRows { x in
          try s.withRows { s in
            try evaluator.evaluate(x[first..<first + count], at: .all(t), into: s[first..<first + count])
          }
        }
      }
    }
    #expect(counting.encoded.value == 3)
    // The text matters, and nothing is the empty text.
    let rest = model.score(given: .nothing)
    var other = Batch(count: 3, dimension: 3)
    let evaluator = try rest.makeEvaluator(for: RowSpan(first: 0, count: 3, dimension: 3))
    try x.withRows { x in try other.withRows { try evaluator.evaluate(x[0..<3], at: .all(0.9), into: $0) } }
    #expect(counting.encoded.value == 3)
    // Products of 3 rows and of 256 are rounded otherwise.
    #expect((0..<3).allSatisfy { abs(other[2, $0] - s[2, $0]) < 1e-5 && abs(other[0, $0] - s[0, $0]) > 1e-3 })
  }

  @Test("a tokenizer with more tokens, or longer texts, than the encoder knows is refused") func refused() throws {
    func expect(_ text: String, _ change: (inout TextEncoderArchitecture) -> Void) throws {
      var a = Self.architecture
      change(&a)
      let error = #expect(throws: InputError.self) {
        _ = try TextNetwork(
          ContextLayer(dimension: 3, context: 24), encoder: TextEncoder(a), tokenizer: LetterInput(), isTrained: true)
      }
      #expect(error?.message.contains(text) == true, "\(String(describing: error))")
    }
    try expect("the tokenizer has 27 tokens; the text encoder knows 26") { $0.tokens = 26 }
    try expect("makes 4 tokens of a text; the text encoder has places for 3") { $0.length = 3 }
    let model = ScoreModel(
      try Self.network(), parameters: try Self.network().initialParameters(seed: 1), prediction: .noise,
      kernel: try #require(PreparedProcess(VPSDE()).kernel), duration: 1)
    #expect(throws: InputError.self) { try model.check(.labels([1])) }
  }
}
