// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// A token that is found as it stands in a text, as a tokenizer's files describe it.
struct AddedToken: Equatable {
  let text: String
  /// Its number, where the file says it.
  let id: Int?
  /// Whether it is looked for in the normalised text.
  let isNormalised: Bool
  /// Whether the file gives it as a text alone.
  let isBare: Bool

  /// A token that a file gives as a text alone.
  init(_ text: String) { (self.text, id, isNormalised, isBare) = (text, nil, false, true) }

  /// - Parameters:
  ///   - file: the object that describes it.
  ///   - id: its number; nil where the file does not say it.
  ///   - isSpecial: whether special tokens are meant; nil: the object says so itself.
  init(_ file: JSONFile, id: Int?, isSpecial: Bool? = nil) throws {
    if let id, id < 0 { throw file.wrong("id", "is \(file.brief("id")); allowed: a whole number from 0") }
    text = try file.text("content", default: "")
    guard !text.isEmpty else { throw file.wrong("content", "is \(file.brief("content")); allowed: a text") }
    for key in ["lstrip", "rstrip", "single_word"] where try file.flag(key, default: false) {
      throw file.wrong(key, "is true; allowed: false")
    }
    let says = try file.flag("special", default: false)
    isNormalised = try file.flag("normalized", default: !(isSpecial ?? says))
    (self.id, isBare) = (id, false)
    file.pass(["__type", "id"])
    try file.finish(allowed: "content, lstrip, normalized, rstrip, single_word, special")
  }
}

/// Start, end, padding and the unknown token, and all tokens that are found as they stand: from tokenizer_config.json,
/// special_tokens_map.json, added_tokens.json and tokenizer.json, in transformers' order of precedence.
struct SpecialTokens {
  private(set) var start = AddedToken(CLIPTokenizer.startText)
  private(set) var end = AddedToken(CLIPTokenizer.endText)
  private(set) var padding = AddedToken(CLIPTokenizer.endText)
  private(set) var unknown = AddedToken(CLIPTokenizer.endText)
  /// Tokens with a number of their own.
  private var added: [AddedToken]

  init(_ folder: String, config: JSONFile?, table: TokenizerTable) throws {
    added = table.added
    if let config { try read(config, isSpecial: false) }
    if let list = try config?.object("added_tokens_decoder") {
      // With this list, the other files are not looked at.
      added = try list.keys.map { key in
        guard let id = Int(key), id >= 0, let token = try list.object(key) else {
          throw list.wrong(key, "is \(list.brief(key)); allowed: a number and its token")
        }
        return try AddedToken(token, id: id)
      }
    } else {
      let map = "\(folder)/special_tokens_map.json"
      if FileManager.default.fileExists(atPath: map) {
        let file = try JSONFile(map, missing: "no such file")
        try read(file, isSpecial: true)
        try file.finish(allowed: "bos_token, eos_token, unk_token, pad_token")
      }
      added += try Self.listed("\(folder)/added_tokens.json", besides: [start, end, padding, unknown])
    }
    added.sort { ($0.id ?? 0) < ($1.id ?? 0) }
    func known(_ token: AddedToken) -> AddedToken { added.last { $0.text == token.text } ?? token }
    (start, end, padding, unknown) = (known(start), known(end), known(padding), known(unknown))
  }

  /// Takes what a file says of the four tokens.
  private mutating func read(_ file: JSONFile, isSpecial: Bool) throws {
    func token(_ key: String, _ fallback: AddedToken) throws -> AddedToken {
      switch file.value(key) {
      case nil: return fallback
      case .text(let text) where !text.isEmpty: return AddedToken(text)
      case .object:
        guard let object = try file.object(key) else { return fallback }
        return try AddedToken(object, id: nil, isSpecial: isSpecial ? true : nil)
      default: throw file.wrong(key, "is \(file.brief(key)); allowed: a token")
      }
    }
    start = try token("bos_token", start)
    end = try token("eos_token", end)
    unknown = try token("unk_token", unknown)
    padding = try token("pad_token", padding)
  }

  /// added_tokens.json: numbers by texts.
  private static func listed(_ path: String, besides special: [AddedToken]) throws -> [AddedToken] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let file = try JSONFile(path, missing: "no such file")
    return try file.keys.map { text in
      guard case .number(.whole(let id))? = file.value(text), id >= 0 else {
        throw file.wrong(text, "is \(file.brief(text)); allowed: a whole number from 0")
      }
      return AddedToken(text, id: id, isNormalised: !special.contains { $0.text == text })
    }
  }

  /// The tokenizer of these tokens. Tokens that are not in the vocabulary get the numbers that follow it.
  func tokenizer(_ encoding: BytePairEncoding, length: Int) throws -> CLIPTokenizer {
    var found: [(token: AddedToken, id: Int)] = []
    var next = encoding.tokenCount
    func add(_ token: AddedToken) throws {
      let place = found.firstIndex { $0.token.text == token.text }
      let id = place.map { found[$0].id } ?? encoding.vocabulary[token.text] ?? next
      if let said = token.id, said != id {
        throw InputError("'\(token.text)' is number \(id) by the vocabulary, and \(said) by the list of added tokens")
      }
      if id == next { next += 1 }
      // Where a token is described twice, the later description counts.
      if let place { found[place] = (token, id) } else { found.append((token, id)) }
    }
    for token in added { try add(token) }
    // A description that was there already does not count again.
    var described: [AddedToken] = []
    for token in [start, end, unknown, padding] where !added.contains(where: { $0.text == token.text }) {
      if !described.contains(token) { try add(token) }
      described.append(token)
    }
    func id(_ token: AddedToken) -> Int { found.first { $0.token.text == token.text }?.id ?? 0 }
    return CLIPTokenizer(
      encoding, start: id(start), end: id(end), padding: id(padding),
      added: found.map { .init($0.token.text, id: $0.id, isNormalised: $0.token.isNormalised) }, length: length)
  }
}

extension AddedToken {
  fileprivate init(_ text: String, id: Int, isNormalised: Bool) {
    (self.text, self.id, self.isNormalised, isBare) = (text, id, isNormalised, false)
  }
}
