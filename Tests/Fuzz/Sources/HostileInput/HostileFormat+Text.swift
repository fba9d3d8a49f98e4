// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks

/// What tokenizers and text encoders are read from, and prompts.
extension HostileFormat {
  /// A tokenizer.json; what is read takes a few texts.
  static let tokenizer = HostileFormat(
    name: "tokenizer",
    words: [
      "\"model\"", "\"vocab\"", "\"merges\"", "\"added_tokens\"", "\"normalized\"", "\"content\"", "\"lstrip\"",
      "\"id\"",
      "\"BPE\"", "\"unk_token\"", "\"NFC\"", "\"Sequence\"", "\"ByteLevel\"", "<|startoftext|>", "<|endoftext|>",
      "</w>",
      "16777215", "16777216", "-1", "1e999", "null", "true", "[", "]", "{", "}", "\\u0000", "\\ud800",
    ], longest: 8192
  ) { bytes, folder in
    mkdir("\(folder.path)/tokenizer", 0o700)
    _ = try folder.write(bytes, to: "tokenizer/tokenizer.json")
    let tokenizer = try TokenizerFolder("\(folder.path)/tokenizer").tokenizer
    try check(tokenizer, on: texts)
    return 64 * tokenizer.encoding.vocabulary.count
  }

  /// A merges.txt beside a vocabulary.
  static let merges = HostileFormat(
    name: "merges", words: ["#version: 0.2", "\n", "\r\n", " ", "  ", "a b</w>", "a a", "aa a</w>", "</w>", "\u{120}"],
    longest: 4096
  ) { bytes, folder in
    mkdir("\(folder.path)/merges", 0o700)
    let tokens = ["a", "b", "aa", "ab", "a</w>", "b</w>", "ab</w>", "aaa</w>", "<|startoftext|>", "<|endoftext|>"]
    let vocabulary = tokens.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    _ = try folder.write("{\(vocabulary)}", to: "merges/vocab.json")
    _ = try folder.write(bytes, to: "merges/merges.txt")
    let tokenizer = try TokenizerFolder("\(folder.path)/merges").tokenizer
    try check(tokenizer, on: texts)
    return 64 * tokenizer.encoding.merges.count
  }

  /// A prompt. Any is read: a text that is no UTF-8 is mended before it comes here.
  static let prompt = HostileFormat(
    name: "prompt",
    words: [
      "<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "'s", "'ll", "!", "\u{301}", "\u{327}", "\u{1112}\u{1161}",
      "\u{11ab}", "\u{130}", "\u{3a3}", "\u{2028}", "\u{200b}", "\u{1f468}\u{200d}\u{1f469}", "\u{fb1d}", "\0", "</w>",
    ], longest: 4096
  ) { bytes, _ in
    let letters = ByteLetters.order.map { String(ByteLetters.letters[$0]) }
    let all = letters + letters.map { $0 + BytePairEncoding.suffix } + ["aa", "aaaa", "aa</w>", "!!</w>"]
    let encoding = try BytePairEncoding(
      vocabulary: Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1, $0) }),
      merges: [("a", "a"), ("aa", "aa"), ("a", "a</w>"), ("!", "!</w>")])
    let (start, end) = (all.count, all.count + 1)
    let tokenizer = CLIPTokenizer(
      encoding, start: start, end: end, padding: 0,
      added: [
        .init("!", id: 0), .init(CLIPTokenizer.startText, id: start, isNormalised: true),
        .init(CLIPTokenizer.endText, id: end),
      ])
    try check(tokenizer, on: [String(decoding: bytes, as: UTF8.self)])
    // Code points of 4 bytes, a few times, and what waits to be merged.
    return 64 * bytes.count
  }

  /// The config.json of a text encoder saved by transformers.
  static let textConfig = HostileFormat(
    name: "text-config",
    words: [
      "\"vocab_size\"", "\"hidden_size\"", "\"num_hidden_layers\"", "\"num_attention_heads\"", "\"hidden_act\"",
      "\"intermediate_size\"", "\"max_position_embeddings\"", "\"layer_norm_eps\"", "\"quick_gelu\"", "\"gelu\"",
      "\"architectures\"", "\"CLIPTextModel\"", "null", "true", "-1", "1e999", "1000000", "[", "]", "{", "}",
    ], longest: 4096,
    // Few bytes may ask for 1,024 layers, which are laid out before weights are looked at.
    allowance: 32 << 20
  ) { bytes, folder in
    mkdir("\(folder.path)/text", 0o700)
    _ = try folder.write(bytes, to: "text/config.json")
    let weights = try Safetensors().encoded()
    _ = try weights.withUnsafeBytes { try folder.write($0, to: "text/model.safetensors") }
    return 4 * (try TextEncoderFolder("\(folder.path)/text").parameters.count)
  }

  private static let texts = ["", "aab ab!", "<|endoftext|>a <|STARTOFTEXT|>", "e\u{301}\u{1f600}"]

  /// An error that is none of wrong input, where a tokenizer gives something else than tokens.
  private struct WrongTokens: Error {
    let text: String
    let ids: [Int]
  }

  private static func check(_ tokenizer: CLIPTokenizer, on texts: [String]) throws {
    for text in texts {
      let ids = tokenizer.ids(of: text)
      guard ids.count == tokenizer.length, ids.allSatisfy({ (0..<tokenizer.tokenCount).contains($0) }) else {
        throw WrongTokens(text: text, ids: ids)
      }
      _ = tokenizer.note(on: text)
    }
  }
}
