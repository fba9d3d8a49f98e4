// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Testing

/// transformers' own numbers, by Fixtures/make_text.py.
@Suite struct TokenizerTests {
  static let length = 12

  static func fixture(_ name: String) throws -> String {
    try #require(Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Fixtures")).path
  }

  private static func decoded<Value: Decodable>(_ name: String, _: Value.Type) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(contentsOf: URL(fileURLWithPath: fixture("Tokenizers/\(name)"))))
  }

  static func tokenizer(_ name: String) throws -> CLIPTokenizer {
    try TokenizerFolder(fixture("Tokenizers/\(name)"), length: length).tokenizer
  }

  @Test("the numbers are transformers', in every layout of a folder", arguments: ["older", "second", "bare", "newer"])
  func agrees(name: String) throws {
    let prompts = try Self.decoded("prompts.json", [String].self)
    let expected = try Self.decoded("\(name).json", [[Int]].self)
    let tokenizer = try Self.tokenizer(name)
    #expect(prompts.count == 21 && tokenizer.length == Self.length)
    for (prompt, ids) in pairs(prompts, expected) {
      #expect(tokenizer.ids(of: prompt) == ids, "\(prompt.debugDescription)")
    }
  }

  @Test("what is written is read again, and does the same", arguments: ["older", "second", "newer"])
  func writes(name: String) throws {
    let folder = TemporaryFolder()
    let tokenizer = try Self.tokenizer(name)
    for (file, bytes) in TokenizerFolder.files(of: tokenizer) { try folder.write(bytes, to: file) }
    let again = try TokenizerFolder(folder.path)
    #expect(again.notes.isEmpty && again.tokenizer.length == Self.length)
    #expect(again.tokenizer.encoding.vocabulary == tokenizer.encoding.vocabulary)
    for prompt in try Self.decoded("prompts.json", [String].self) {
      #expect(again.tokenizer.ids(of: prompt) == tokenizer.ids(of: prompt))
    }
  }

  @Test("a text that is too long is cut, with a note that says how much") func cut() throws {
    let tokenizer = try Self.tokenizer("older")
    let ten = Array(repeating: "the", count: 10).joined(separator: " ")
    #expect(tokenizer.note(on: ten) == nil)
    let note = try #require(tokenizer.note(on: ten + " lower tower"))
    #expect(note.contains("the last ") && note.contains("the network reads 10 between start and end"))
    #expect(!note.contains("\n"))
    let ids = tokenizer.ids(of: ten + " lower tower")
    #expect(ids.count == Self.length && ids.last == tokenizer.end && ids.first == tokenizer.start)
    #expect(Array(ids.prefix(11)) == Array(tokenizer.ids(of: ten).prefix(11)))
  }

  /// Twice the text takes about twice the time, in one word and in many: 100,000 characters stay below a second, where
  /// a quadratic way would take minutes.
  @Test("time is linear in the length of a text", arguments: ["a", "lo ", "\u{301}", "e\u{301}", "<|", "!'", "😀"])
  func linear(piece: String) throws {
    let tokenizer = try Self.tokenizer("second")
    let text = String(repeating: piece, count: 100_000)
    let time = ContinuousClock().measure { #expect(!tokenizer.tokens(of: text).isEmpty) }
    #expect(time < .seconds(5))
  }

  @Test("no text is too strange") func hostile() throws {
    let tokenizer = try Self.tokenizer("newer")
    var state: UInt64 = 1
    for _ in 0..<2000 {
      var text = String.UnicodeScalarView()
      for _ in 0..<20 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let code = UInt32(truncatingIfNeeded: state >> 33) % (state >> 60 < 8 ? 0x3000 : 0x110000)
        if let scalar = Unicode.Scalar(code) { text.append(scalar) }
      }
      let ids = tokenizer.ids(of: String(text))
      #expect(ids.count == Self.length && ids.allSatisfy { (0..<tokenizer.tokenCount).contains($0) })
    }
  }

  @Test("what is wrong with a folder is one line")
  func refused() throws {
    func expect(_ text: String, at file: String, _ spoil: (TemporaryFolder) throws -> Void) throws {
      let folder = TemporaryFolder()
      for name in ["vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"] {
        try folder.write(Data(contentsOf: URL(fileURLWithPath: Self.fixture("Tokenizers/older/\(name)"))), to: name)
      }
      try spoil(folder)
      let error = #expect(throws: InputError.self) { _ = try TokenizerFolder(folder.path) }
      #expect(error?.message.contains(text) == true, "\(String(describing: error))")
      #expect(error?.location == (file.isEmpty ? folder.path : "\(folder.path)/\(file)"))
      #expect(error?.description.contains("\n") == false)
    }
    try expect("holds neither", at: "") {
      try $0.remove("vocab.json")
      try $0.remove("merges.txt")
    }
    try expect("no such file", at: "merges.txt") { try $0.remove("merges.txt") }
    try expect("no such file", at: "vocab.json") { try $0.remove("vocab.json") }
    try expect("allowed: two tokens", at: "merges.txt:2") {
      try $0.write(Data("#version: 0.2\na b c\n".utf8), to: "merges.txt")
    }
    try expect("'qx', which is no token", at: "vocab.json") { try $0.write(Data("qx y\n".utf8), to: "merges.txt") }
    try expect("'a' is numbered -1", at: "vocab.json") { try $0.write(Data("{\"a\": -1}".utf8), to: "vocab.json") }
    try expect("is not UTF-8", at: "merges.txt") { try $0.write(Data([0xff, 0xfe, 0x0a]), to: "merges.txt") }
    try expect("not a JSON object", at: "vocab.json") { try $0.write(Data("[1".utf8), to: "vocab.json") }
    func config(_ text: String) -> (TemporaryFolder) throws -> Void {
      { try $0.write(Data(text.utf8), to: "tokenizer_config.json") }
    }
    try expect(
      "is 'T5Tokenizer'; allowed: CLIPTokenizer", at: "tokenizer_config.json",
      config("{\"tokenizer_class\": \"T5Tokenizer\"}"))
    try expect("'do_lower_case' is false", at: "tokenizer_config.json", config("{\"do_lower_case\": false}"))
    try expect("'surprise' is 1, which is unknown", at: "tokenizer_config.json", config("{\"surprise\": 1}"))
    try expect("allowed: 2 to 65536", at: "tokenizer_config.json", config("{\"model_max_length\": 1}"))
    try expect("'pad_token' is null", at: "special_tokens_map.json") {
      try $0.write(Data("{\"pad_token\": null}".utf8), to: "special_tokens_map.json")
    }
    try expect("allowed: a BPE", at: "tokenizer.json") { try $0.write(Data("{}".utf8), to: "tokenizer.json") }
    try expect("allowed: BPE", at: "tokenizer.json") {
      try $0.write(Data("{\"model\": {\"type\": \"Unigram\"}}".utf8), to: "tokenizer.json")
    }
  }
}

/// A folder that goes when the test ends.
final class TemporaryFolder {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("text-\(UUID().uuidString)").path

  init() { try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ data: Data, to name: String) throws { try data.write(to: URL(fileURLWithPath: "\(path)/\(name)")) }
  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }
}
