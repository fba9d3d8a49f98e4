// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A JSON value as a tree, for small files such as configs.
package enum JSONValue: Sendable {
  case null
  case flag(Bool)
  case number(JSONScanner.Number)
  case text(String)
  case list([JSONValue])
  case object([(key: String, value: JSONValue)])

  /// How deep values may be nested.
  package static let deepest = 32

  /// - Parameter bytes: the whole file. `NaN`, `Infinity` and `-Infinity`, which Python writes, are read as numbers.
  /// - Throws: `InputError` for what is not JSON, is nested deeper than `deepest`, or has a key twice in one object.
  package init(decoding bytes: some Sequence<UInt8>) throws {
    self = try Array(bytes).withUnsafeBytes { buffer in
      var scanner = JSONScanner(buffer)
      let value = try JSONValue(&scanner, depth: 1)
      try scanner.finish()
      return value
    }
  }

  private init(_ scanner: inout JSONScanner, depth: Int) throws {
    guard depth <= Self.deepest else {
      throw scanner.wrong("values nested deeper than \(Self.deepest)")
    }
    switch scanner.peek() {
    case UInt8(ascii: "{"):
      var members: [(key: String, value: JSONValue)] = []
      var keys: Set<String> = []
      try scanner.object { scanner, key in
        guard keys.insert(key).inserted else { throw scanner.wrong("the key '\(key)' is there twice") }
        members.append((key, try JSONValue(&scanner, depth: depth + 1)))
      }
      self = .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONValue] = []
      try scanner.list { elements.append(try JSONValue(&$0, depth: depth + 1)) }
      self = .list(elements)
    case UInt8(ascii: "\""): self = .text(try scanner.string())
    case UInt8(ascii: "t") where scanner.take(word: "true"): self = .flag(true)
    case UInt8(ascii: "f") where scanner.take(word: "false"): self = .flag(false)
    case UInt8(ascii: "n") where scanner.take(word: "null"): self = .null
    case UInt8(ascii: "N") where scanner.take(word: "NaN"): self = .number(.real(.nan))
    case UInt8(ascii: "I") where scanner.take(word: "Infinity"): self = .number(.real(.infinity))
    case UInt8(ascii: "-") where scanner.take(word: "-Infinity"): self = .number(.real(-.infinity))
    default: self = .number(try scanner.number())
    }
  }

  /// The value in short, for messages.
  package var brief: String {
    let text =
      switch self {
      case .null: "null"
      case .flag(let flag): String(flag)
      case .number(.whole(let value)): String(value)
      case .number(.real(let value)): String(value)
      case .text(let text): "'\(text)'"
      case .list(let elements): "[\(elements.prefix(8).map(\.brief).joined(separator: ", "))]"
      case .object: "an object"
      }
    let line = text.replacing("\n", with: " ")
    return line.count <= 60 ? line : line.prefix(57) + "..."
  }
}
