// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Reads JSON (RFC 8259) from bytes, piece by piece: a caller that knows what it expects needs no tree of values, and
/// no more memory than what it keeps. Bytes that are not UTF-8, lone surrogates, bare control characters and anything
/// after the end are refused.
package struct JSONScanner {
  package enum Number: Sendable, Equatable {
    /// Written without fraction and exponent, and within 64 bits.
    case whole(Int)
    /// Any other; infinite where it is beyond a double.
    case real(Double)
  }

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  /// - Parameter bytes: must outlive the scanner.
  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// An error at the place that was reached.
  package func wrong(_ message: String) -> InputError {
    let line = 1 + bytes[..<min(position, bytes.count)].reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
    return InputError("not JSON at byte \(position), line \(line): \(message)")
  }

  /// The next byte that is no space; nil at the end.
  package mutating func peek() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      case let byte: return byte
      }
    }
    return nil
  }

  /// Goes past a byte, if it is the next one.
  package mutating func take(_ byte: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: byte) else { return false }
    position += 1
    return true
  }

  package mutating func require(_ byte: Unicode.Scalar) throws {
    guard take(byte) else { throw wrong("'\(byte)' was expected") }
  }

  /// Goes past a word such as `null`, if it is next.
  package mutating func take(word: StaticString) -> Bool {
    _ = peek()
    let end = position + word.utf8CodeUnitCount
    guard end <= bytes.count,
      bytes[position..<end].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    else { return false }
    position = end
    return true
  }

  /// Only spaces are left.
  package mutating func finish() throws {
    if peek() != nil { throw wrong("something follows the end") }
  }

  /// The members of an object; `body` reads each value.
  package mutating func object(_ body: (inout JSONScanner, _ key: String) throws -> Void) throws {
    try require("{")
    if take("}") { return }
    repeat {
      let key = try string()
      try require(":")
      try body(&self, key)
    } while take(",")
    try require("}")
  }

  /// The elements of a list; `body` reads each.
  package mutating func list(_ body: (inout JSONScanner) throws -> Void) throws {
    try require("[")
    if take("]") { return }
    repeat { try body(&self) } while take(",")
    try require("]")
  }

  package mutating func number() throws -> Number {
    _ = peek()
    let start = position
    func isDigit(_ place: Int) -> Bool { place < bytes.count && (0x30...0x39).contains(bytes[place]) }
    func isOne(of characters: String, _ place: Int) -> Bool {
      place < bytes.count && characters.utf8.contains(bytes[place])
    }
    var end = start
    var isWhole = true
    if isOne(of: "-", end) { end += 1 }
    guard isDigit(end), !(bytes[end] == UInt8(ascii: "0") && isDigit(end + 1)) else { throw wrong("no number") }
    while isDigit(end) { end += 1 }
    if isOne(of: ".", end) {
      isWhole = false
      end += 1
      guard isDigit(end) else { throw wrong("no number") }
      while isDigit(end) { end += 1 }
    }
    if isOne(of: "eE", end) {
      isWhole = false
      end += 1
      if isOne(of: "+-", end) { end += 1 }
      guard isDigit(end) else { throw wrong("no number") }
      while isDigit(end) { end += 1 }
    }
    guard end - start <= 1000 else { throw wrong("a number of \(end - start) characters; allowed: 1000") }
    let text = String(decoding: bytes[start..<end], as: UTF8.self)
    position = end
    if isWhole, let value = Int(text) { return .whole(value) }
    guard let value = Double(text) else { throw wrong("no number") }
    return .real(value)
  }

  package mutating func string() throws -> String {
    try require("\"")
    let start = position
    while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\") {
      guard bytes[position] >= 0x20 else { throw wrong("a control character in a text") }
      position += 1
    }
    guard position < bytes.count else { throw wrong("a text without an end") }
    if bytes[position] == UInt8(ascii: "\"") {
      position += 1
      return try validated(bytes[start..<position - 1])
    }
    var text = Array(bytes[start..<position])
    while true {
      guard position < bytes.count else { throw wrong("a text without an end") }
      let byte = bytes[position]
      guard byte >= 0x20 else { throw wrong("a control character in a text") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return try validated(text[...])
      case UInt8(ascii: "\\"): text += try escaped()
      default: text.append(byte)
      }
    }
  }

  private func validated(_ text: some Collection<UInt8>) throws -> String {
    guard let string = String(validating: text, as: UTF8.self) else { throw wrong("a text that is not UTF-8") }
    return string
  }

  /// What follows a backslash, as UTF-8.
  private mutating func escaped() throws -> [UInt8] {
    guard position < bytes.count else { throw wrong("a text without an end") }
    position += 1
    switch bytes[position - 1] {
    case UInt8(ascii: "\""): return [0x22]
    case UInt8(ascii: "\\"): return [0x5c]
    case UInt8(ascii: "/"): return [0x2f]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0c]
    case UInt8(ascii: "n"): return [0x0a]
    case UInt8(ascii: "r"): return [0x0d]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if (0xd800..<0xdc00).contains(code), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
        bytes[position + 1] == UInt8(ascii: "u")
      {
        position += 2
        let low = try hexadecimal()
        guard (0xdc00..<0xe000).contains(low) else { throw wrong("half a surrogate pair") }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw wrong("half a surrogate pair") }
      return Array(String(Character(scalar)).utf8)
    default: throw wrong("an unknown escape in a text")
    }
  }

  private mutating func hexadecimal() throws -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
        throw wrong("an escape without four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
