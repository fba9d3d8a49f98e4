// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// The folder of a CLIP tokenizer as transformers saves it: tokenizer.json with tokenizer_config.json (transformers 5),
/// or vocab.json with merges.txt, special_tokens_map.json and tokenizer_config.json (before), of which the last two may
/// be missing.
///
/// Every entry is followed, refused by name, or known to be without effect on what transformers' CLIPTokenizer does.
public struct TokenizerFolder: Sendable {
  /// The tokenizer that the files describe.
  public let tokenizer: CLIPTokenizer
  /// What was chosen or taken for granted, a line each.
  public let notes: [String]

  /// - Parameters:
  ///   - path: the folder.
  ///   - length: how many tokens a text becomes where no file says so.
  /// - Throws: `InputError` at the file for what is missing, damaged or of an unknown kind.
  public init(_ path: String, length: Int = CLIPTokenizer.customaryLength) throws {
    var notes: [String] = []
    let table = try TokenizerTable(path, &notes)
    let file = "\(path)/tokenizer_config.json"
    let config = FileManager.default.fileExists(atPath: file) ? try JSONFile(file, missing: "no such file") : nil
    let special = try SpecialTokens(path, config: config, table: table)
    let said = try config.map { try Self.length($0) } ?? nil
    if let config { try Self.check(config) }
    if said == nil { notes.append("\(path): no file says how long texts are; taken for \(length) tokens") }
    do {
      let encoding = try BytePairEncoding(
        vocabulary: table.vocabulary, merges: table.merges, unknown: special.unknown.text)
      tokenizer = try special.tokenizer(encoding, length: said ?? length)
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: table.path) : error
    }
    self.notes = notes
  }

  /// How many tokens a text becomes; nil where the file does not say, for which transformers writes 1e30.
  private static func length(_ config: JSONFile) throws -> Int? {
    guard config.has("model_max_length") else { return nil }
    let length = try config.number("model_max_length", default: 0)
    if length >= 1e9 { return nil }
    guard length == length.rounded(), (2...65_536).contains(length) else {
      throw config.wrong("model_max_length", "is \(config.brief("model_max_length")); allowed: 2 to 65536")
    }
    return Int(length)
  }

  /// Entries that say nothing about the numbers of a text padded to its length: who wrote the file, how bytes become
  /// text again, and what CLIPTokenizer does not look at.
  private static let withoutEffect = [
    "add_prefix_space", "backend", "clean_up_tokenization_spaces", "device_map", "errors", "is_local",
    "local_files_only",
    "max_length", "name_or_path", "pad_to_multiple_of", "pad_token_type_id", "processor_class",
    "special_tokens_map_file",
    "stride", "tokenizer_file", "truncation_strategy", "use_fast", "verbose", "model_input_names", "_commit_hash",
    "transformers_version", "fix_mistral_regex", "trust_remote_code", "revision",
  ]

  private static func check(_ config: JSONFile) throws {
    if config.has("tokenizer_class") {
      _ = try config.choice(
        "tokenizer_class", default: "CLIPTokenizer", ["CLIPTokenizer", "CLIPTokenizerFast", "CLIPTokenizerLegacy"])
    }
    func only(_ key: String, _ wanted: Bool) throws {
      if config.has(key), try config.flag(key, default: wanted) != wanted {
        throw config.wrong(key, "is \(!wanted); allowed: \(wanted)")
      }
    }
    for key in ["do_lower_case", "add_bos_token", "add_eos_token"] { try only(key, true) }
    try only("split_special_tokens", false)
    for key in ["padding_side", "truncation_side"] where config.has(key) {
      _ = try config.choice(key, default: "right", ["right"])
    }
    for key in ["extra_special_tokens", "additional_special_tokens"] where config.has(key) {
      switch config.value(key) {
      case .list(let tokens) where tokens.isEmpty: break
      case .object(let tokens) where tokens.isEmpty: break
      default: throw config.wrong(key, "is \(config.brief(key)); allowed: none")
      }
    }
    for key in ["sep_token", "cls_token", "mask_token"] where config.has(key) {
      throw config.wrong(key, "is \(config.brief(key)); allowed: none, as CLIP has no such token")
    }
    config.pass(withoutEffect)
    try config.finish(allowed: "the entries of transformers' CLIPTokenizer")
  }
}
