// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

extension TokenizerFolder {
  /// The files of a tokenizer's folder, for transformers to load as a `CLIPTokenizer`: vocab.json, merges.txt,
  /// special_tokens_map.json and tokenizer_config.json, which all versions read.
  public static func files(of tokenizer: CLIPTokenizer) -> [(name: String, bytes: Data)] {
    func text(of id: Int) -> String {
      tokenizer.added.first { $0.id == id }?.text ?? tokenizer.encoding.vocabulary.first { $0.value == id }?.key ?? ""
    }
    let names = [
      ("bos_token", text(of: tokenizer.start)), ("eos_token", text(of: tokenizer.end)),
      ("pad_token", text(of: tokenizer.padding)),
      ("unk_token", tokenizer.encoding.unknownText ?? text(of: tokenizer.end)),
    ]
    let special = names.map { "  \(quoted($0.0)): \(quoted($0.1))" }
    let added = tokenizer.added.map {
      "    \(quoted(String($0.id))): {\"content\": \(quoted($0.text)), \"lstrip\": false, \"normalized\": \($0.isNormalised), "
        + "\"rstrip\": false, \"single_word\": false, \"special\": true}"
    }
    let config =
      special + [
        "  \"added_tokens_decoder\": {\n\(added.joined(separator: ",\n"))\n  }", "  \"do_lower_case\": true",
        "  \"model_max_length\": \(tokenizer.length)", "  \"tokenizer_class\": \"CLIPTokenizer\"",
      ]
    let vocabulary = tokenizer.encoding.vocabulary.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
      .map { "\(quoted($0.key)): \($0.value)" }
    let merges = tokenizer.encoding.merges.map { "\($0.first) \($0.second)\n" }
    return [
      ("vocab.json", Data("{\(vocabulary.joined(separator: ", "))}\n".utf8)),
      ("merges.txt", Data(("#version: 0.2\n" + merges.joined()).utf8)),
      ("special_tokens_map.json", Data("{\n\(special.joined(separator: ",\n"))\n}\n".utf8)),
      ("tokenizer_config.json", Data("{\n\(config.joined(separator: ",\n"))\n}\n".utf8)),
    ]
  }

  /// A text as JSON has it.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20: result += String(format: "\\u%04x", scalar.value)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
