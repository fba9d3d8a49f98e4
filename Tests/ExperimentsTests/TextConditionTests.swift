// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Networks
import ScoreSDE
import Tensors
import Testing

/// A network whose condition is a context: two layers on [x, features of the time, context].
private struct ContextMLP: Network {
  let dimension: Int
  let layout: ParameterLayout
  let noiseInput = NoiseLevelInput.time
  private let features = TimeFeatures(.sinusoidal, count: 16, scale: 1, seed: 1)
  private let first, second: LinearLayer
  private let builder: LayerBuilder

  init(dimension: Int, context: Int) {
    self.dimension = dimension
    var builder = LayerBuilder()
    first = builder.linear("first", from: dimension + 16 + context, to: 48)
    second = builder.linear("second", from: 48, to: dimension)
    (layout, self.builder) = (builder.layout, builder)
  }

  func initialParameters(seed: UInt64) -> [Float] { builder.initialParameters(seed: seed) }

  func forward(_ x: Tensor, noiseLevel: Tensor, second _: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    guard let condition else { preconditionFailure("no context") }
    let levels = noiseLevel.rows == x.rows ? noiseLevel : tape.repeatRow(noiseLevel, rows: x.rows)
    let input = tape.concatenate(tape.concatenate(x, features(levels, on: tape)), condition)
    return second(tape.silu(first(input, on: tape)), on: tape)
  }
}

/// Texts as conditions from a config on: a column of captions, samples that are told texts, and guidance away from one.
@Suite("Text conditions") struct TextConditionTests {
  /// The standard kinds and a network that reads texts by bytes, of at most 6 tokens.
  private static let catalogue: Catalogue = {
    var catalogue = Catalogue.standard
    catalogue.networks.add(
      Kind("words", "reads texts") { options, _ in
        let length = try options.integer("length", default: 6, atLeast: 3, "tokens of a text")
        return NetworkRecipe { data, _ in
          let letters = ByteLetters.order.map { String(ByteLetters.letters[$0]) }
          let all = letters + letters.map { $0 + "</w>" } + [CLIPTokenizer.startText, CLIPTokenizer.endText]
          let encoding = try BytePairEncoding(
            vocabulary: Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1, $0) }), merges: [])
          let tokenizer = CLIPTokenizer(
            encoding, start: all.count - 2, end: all.count - 1, padding: all.count - 1, added: [], length: length)
          let encoder = try TextEncoder(
            TextEncoderArchitecture(tokens: all.count, length: length, width: 8, layers: 1, heads: 2))
          return try TextNetwork(
            ContextMLP(dimension: data.dimension, context: 8 * length), encoder: encoder, tokenizer: tokenizer,
            isTrained: true)
        }
      })
    return catalogue
  }()

  /// Rows around −1 are captioned l, those around 1 are r.
  private static func config(_ folder: String) throws -> String {
    var lines = ["x,y,caption"]
    for i in 0..<400 {
      let side = i % 2 == 0 ? -1.0 : 1
      lines.append("\(side + 0.1 * sin(Double(i))),\(0.2 * cos(Double(7 * i))),\(i % 2 == 0 ? "l" : "r")")
    }
    try lines.joined(separator: "\n").write(toFile: folder + "/data.csv", atomically: true, encoding: .utf8)
    return """
      name: texts
      data: {kind: csv, path: \(folder)/data.csv, columns: [x, y], text: caption}
      process: {kind: vp}
      score: {kind: network, network: {kind: words}}
      training: {steps: 300, batch: 128, learning_rate: 5.0e-3, condition_dropout: 0.1}
      sampling:
        count: 20
        condition: {text: l}
        solvers: [{name: ode, kind: ddim, steps: 20}]
      evaluation: {metrics: []}
      """
  }

  private func plan(_ text: String, _ overrides: [String] = []) throws -> ExperimentPlan {
    try ExperimentPlan(ConfigSource(text: text, path: "t.yaml", overrides: overrides), catalogue: Self.catalogue)
  }

  private func samples(
    _ text: String, _ overrides: [String], _ folder: String, threads: Int? = nil
  ) throws -> [[Double]] {
    let store = folder + (threads.map { "/models-\($0)" } ?? "/models")
    _ = try makeExperiment(
      try plan(text, overrides), catalogue: Self.catalogue, folder: folder + "/r", store: store, threads: threads
    ).run([.train, .sample])
    return contents(folder + "/r/samples/ode.csv").split(separator: "\n").dropFirst().map { line in
      line.split(separator: ",").map { Double($0) ?? .nan }
    }
  }

  @Test("encoder and network learn what texts say; a list is told in turn, and a row depends on its own text alone")
  func learned() throws {
    try withFolder { folder in
      let text = try Self.config(folder)
      let left = try samples(text, [], folder)
      let right = try samples(text, ["sampling.condition={text: r}"], folder)
      #expect(left.count == 20 && right.count == 20)
      // The sides lie 20 deviations apart; a row of a network that took no notice of texts is on the other by chance.
      #expect(left.allSatisfy { $0[0] < 0 } && right.allSatisfy { $0[0] > 0 })
      let turn = try samples(text, ["sampling.condition={text: [l, r]}"], folder)
      for row in 0..<20 { #expect(turn[row] == (row % 2 == 0 ? left : right)[row], "\(row)") }
      try "r\n".appending(String(repeating: "l\n", count: 19)).write(
        toFile: folder + "/c.csv", atomically: true, encoding: .utf8)
      let listed = try samples(text, ["sampling.condition={csv: \(folder)/c.csv}"], folder)
      for row in 0..<20 { #expect(listed[row] == (row == 0 ? right : left)[row], "\(row)") }
      // Guidance of weight 0 is what it is led away from: the other text, or nothing.
      let away = "sampling.guidance={kind: classifier-free, weight: 0, negative: r}"
      let led = try samples(text, [away], folder)
      for row in 0..<20 { for j in 0..<2 { #expect(abs(led[row][j] - right[row][j]) < 1e-5) } }
      let nothing = try samples(text, ["sampling.condition=nothing"], folder)
      #expect(nothing != left && nothing != right)
      #expect(try samples(text, ["sampling.condition={text: ''}"], folder) == nothing)
    }
  }

  @Test("threads change no bit of a training with texts") func threads() throws {
    try withFolder { folder in
      let text = try Self.config(folder)
      let one = try samples(text, ["training.steps=5"], folder, threads: 1)
      #expect(try samples(text, ["training.steps=5"], folder, threads: 2) == one)
    }
  }

  @Test("texts that are too long are cut with a warning; what is no text is refused") func warned() throws {
    try withFolder { folder in
      let text = try Self.config(folder)
      #expect(try plan(text).foreseen().isEmpty)
      let cut = try plan(text, ["sampling.condition={text: [l, very long]}"]).foreseen()
      #expect(cut.count == 1 && cut[0].contains("sampling") && cut[0].contains("'very long' has 8 tokens; the last 4"))
      let negative = "sampling.guidance={kind: classifier-free, negative: blurred and dark}"
      #expect(try plan(text, [negative]).foreseen().count == 1)
      let short = try plan(text, ["score.network.length=3", "sampling.condition={text: lrl}"]).foreseen()
      #expect(short.count == 1)
      func expect(_ override: String, _ message: String) {
        let error = #expect(throws: InputError.self) { _ = try plan(text, [override]) }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
      }
      expect("sampling.condition={class: 1}", "is class 1; the network knows no classes")
      expect("sampling.condition={numbers: [1]}", "is not what the network knows: a text")
      expect("sampling.condition={text: []}", "empty list")
      expect("sampling.condition={text: }", "is not a text")
    }
    let error = #expect(throws: InputError.self) {
      _ = try ExperimentPlan(
        ConfigSource(
          text: tiny, path: "t.yaml", overrides: ["sampling.guidance={kind: classifier-free, negative: a}"]))
    }
    #expect(error != nil)
  }
}
