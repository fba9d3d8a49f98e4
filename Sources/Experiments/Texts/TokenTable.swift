// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks

/// Texts and the numbers that a tokenizer's folder makes of them: what the command `tokens` prints.
public struct TokenTable {
  private let tokenizer: CLIPTokenizer
  /// What was chosen or taken for granted, a line each.
  public let notes: [String]

  /// - Parameters:
  ///   - folder: of the tokenizer.
  ///   - length: how many numbers a text becomes; nil: what the folder says.
  public init(folder: String, length: Int? = nil) throws {
    let read = try TokenizerFolder(folder)
    tokenizer = length.map { read.tokenizer.with(length: $0) } ?? read.tokenizer
    notes = length == nil ? read.notes : []
  }

  /// Start, tokens, end and padding; or the tokens alone, all of them.
  public func ids(of text: String, all: Bool) -> [Int] {
    all ? tokenizer.tokens(of: text) : tokenizer.ids(of: text)
  }

  /// What should be known of a text: that its end is cut off.
  public func note(on text: String) -> String? { tokenizer.note(on: text) }

  /// The texts of a file: a list in JSON where its name ends so, else one in every line.
  /// - Throws: `InputError` at the file.
  public static func texts(reading path: String) throws -> [String] {
    guard let data = FileManager.default.contents(atPath: path) else { throw InputError("no such file", at: path) }
    if path.hasSuffix(".json") {
      do {
        guard case .list(let elements) = try JSONValue(decoding: data) else {
          throw InputError("is not a list of texts")
        }
        return try elements.map {
          guard case .text(let text) = $0 else { throw InputError("holds \($0.brief); allowed: texts") }
          return text
        }
      } catch let error as InputError {
        throw InputError(error.message, at: path)
      }
    }
    guard let text = String(validating: data, as: UTF8.self) else { throw InputError("is not UTF-8", at: path) }
    var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map {
      String($0.last == "\r" ? $0.dropLast() : $0)
    }
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}
