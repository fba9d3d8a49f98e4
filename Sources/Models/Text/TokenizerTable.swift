// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// The tokens and merges of a tokenizer's folder, of tokenizer.json or of vocab.json and merges.txt.
struct TokenizerTable {
  typealias Merge = (first: String, second: String)

  /// The file of the tokens; complaints point to it.
  let path: String
  let vocabulary: [String: Int]
  let merges: [Merge]
  /// Tokens that tokenizer.json finds as they stand.
  let added: [AddedToken]

  init(_ folder: String, _ notes: inout [String]) throws {
    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }
    let older = ["vocab.json", "merges.txt"]
    if exists("tokenizer.json") {
      if older.allSatisfy(exists) {
        notes.append("\(folder): takes tokenizer.json, as transformers does; vocab.json and merges.txt are there too")
      }
      let file = try JSONFile("\(folder)/tokenizer.json", missing: "no such file")
      path = file.path
      (vocabulary, merges) = try Self.model(file)
      added = try file.objects("added_tokens").map { try AddedToken($0, id: $0.integer("id", default: -1)) }
      try Self.check(file)
      return
    }
    guard older.contains(where: exists) else {
      throw InputError(
        "holds neither tokenizer.json nor vocab.json with merges.txt; a tokenizer's folder does", at: folder)
    }
    let file = try JSONFile("\(folder)/vocab.json", missing: "no such file; merges.txt needs it")
    path = file.path
    vocabulary = try Self.vocabulary(file.keys.map { ($0, file.value($0)) }, at: file)
    merges = try Self.merges("\(folder)/merges.txt")
    added = []
  }

  private static func vocabulary(_ members: [(String, JSONValue?)], at file: JSONFile) throws -> [String: Int] {
    var vocabulary: [String: Int] = [:]
    vocabulary.reserveCapacity(members.count)
    for (token, value) in members {
      guard case .number(.whole(let id))? = value, id >= 0, id < 1 << 24 else {
        throw file.wrong(token, "is numbered \(value?.brief ?? "nothing"); allowed: whole numbers from 0 to 16777215")
      }
      vocabulary[token] = id
    }
    guard !vocabulary.isEmpty else { throw InputError("a vocabulary without tokens", at: file.path) }
    return vocabulary
  }

  /// merges.txt: a line of its version, then two tokens a line.
  private static func merges(_ path: String) throws -> [Merge] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw InputError("no such file; vocab.json needs it", at: path)
    }
    guard let text = String(validating: data, as: UTF8.self) else { throw InputError("is not UTF-8", at: path) }
    var merges: [Merge] = []
    for (number, line) in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let line = line.last == "\r" ? line.dropLast() : line
      if line.isEmpty || line.starts(with: "#version".unicodeScalars) { continue }
      let parts = line.split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
        throw InputError(
          "'\(String(line.prefix(60)))'; allowed: two tokens with a blank between", at: "\(path):\(number + 1)")
      }
      merges.append((String(parts[0]), String(parts[1])))
    }
    return merges
  }

  /// The tokens and merges of tokenizer.json.
  private static func model(_ file: JSONFile) throws -> ([String: Int], [Merge]) {
    guard let model = try file.object("model") else { throw file.wrong("model", "is missing; allowed: a BPE") }
    if model.has("type") { _ = try model.choice("type", default: "BPE", ["BPE"]) }
    if model.has("dropout"), try model.number("dropout", default: 0) != 0 {
      throw model.wrong("dropout", "is \(model.brief("dropout")); allowed: null")
    }
    if model.has("continuing_subword_prefix") { _ = try model.choice("continuing_subword_prefix", default: "", [""]) }
    _ = try model.choice("end_of_word_suffix", default: "", [BytePairEncoding.suffix])
    for key in ["fuse_unk", "byte_fallback", "ignore_merges"] where model.isSet(key) {
      throw model.wrong(key, "is \(model.brief(key)); allowed: false")
    }
    guard case .object(let members)? = model.value("vocab") else { throw model.wrong("vocab", "is not an object") }
    guard case .list(let list)? = model.value("merges") else { throw model.wrong("merges", "is not a list") }
    let merges: [Merge] = try list.enumerated().map { index, element in
      switch element {
      case .list(let pair) where pair.count == 2:
        if case .text(let first) = pair[0], case .text(let second) = pair[1] { return (first, second) }
      case .text(let text):
        let parts = text.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false)
        if parts.count == 2 { return (String(parts[0]), String(parts[1])) }
      default: break
      }
      throw model.wrong("merges", "holds \(element.brief) as number \(index + 1); allowed: two tokens")
    }
    // The special tokens' files say which token is unknown.
    model.pass(["unk_token"])
    try model.finish(allowed: "the entries of a BPE")
    return (try vocabulary(members.map { ($0.key, $0.value) }, at: model), merges)
  }

  /// Refuses what is not CLIP's way from a text to pieces, and from tokens to a row of them.
  private static func check(_ file: JSONFile) throws {
    func kinds(_ key: String, _ list: String) throws -> [String] {
      guard let step = try file.object(key) else { return [] }
      let kind = try step.text("type", default: "")
      return kind == "Sequence" ? try step.objects(list).map { try $0.text("type", default: "") } : [kind]
    }
    func require(_ key: String, _ list: String, _ wanted: [String]) throws {
      let found = try kinds(key, list)
      guard found == wanted else {
        throw file.wrong(
          key,
          "is \(found.isEmpty ? "nothing" : found.joined(separator: ", ")); allowed: CLIP's, \(wanted.joined(separator: ", "))"
        )
      }
    }
    try require("normalizer", "normalizers", ["NFC", "Replace", "Lowercase"])
    try require("pre_tokenizer", "pretokenizers", ["Split", "ByteLevel"])
    try require("post_processor", "processors", ["RobertaProcessing"])
    // How a text is cut and padded is said elsewhere, and tokens never become text again.
    file.pass(["version", "truncation", "padding", "decoder"])
    try file.finish(allowed: "the entries of tokenizers' files")
  }
}
