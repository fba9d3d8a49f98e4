// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The fields of a table in text, one after the other (RFC 4180).
///
/// A record ends with LF or CR LF, or with the file; empty lines are no records. Blanks around a field are no part of
/// it. A field in quotes may hold separators, line ends and doubled quotes.
final class CSVReader {
  /// The places of a field in the window, without blanks and outer quotes. They hold until the next field is read.
  struct Field {
    var start = 0
    var end = 0
    var isQuoted = false
    /// Whether quotes stand doubled in it.
    var isDoubled = false
  }

  let window: TextWindow
  let separator: UInt8
  /// The field that was read last.
  private(set) var field = Field()
  /// The line in which the last record began, from 1.
  private(set) var recordLine = 0
  /// Whether the last field ended its record.
  private(set) var endsRecord = true
  /// The last empty line before the record.
  private(set) var emptyLine: Int?
  private var place: Int
  private var line = 1
  /// Where to go back to: place and line.
  private var mark: (place: Int, line: Int)?

  /// - Parameters:
  ///   - window: the text.
  ///   - start: where in the window the first record begins: behind a byte order mark.
  init(_ window: TextWindow, from start: Int, separator: UInt8) {
    self.window = window
    self.separator = separator
    place = start
  }

  private static let lineFeed = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")
  private static let quote = UInt8(ascii: "\"")

  /// The share of the file that has been read, above 0; 1 where nobody knows how long the file is.
  var progress: Double {
    guard window.isPlain, window.size > 0 else { return 1 }
    return min(1, Double(max(1, window.total - window.end + place)) / Double(window.size))
  }

  /// Keeps what comes next for `rewind`.
  func setMark() { mark = (place, line) }

  /// Goes back to where `setMark` was called. What follows may be read once more.
  func rewind() {
    guard let mark else { return }
    (place, line, endsRecord) = (mark.place, mark.line, true)
  }

  /// Forgets the mark.
  func removeMark() { mark = nil }

  /// Reads the next field.
  /// - Returns: false at the end of the file.
  /// - Throws: `InputError` at file and line for quotes that do not enclose a whole field, a carriage return without a
  ///   line feed, and zero bytes.
  func next() throws -> Bool {
    if endsRecord {
      guard try skipEmptyLines() else { return false }
      recordLine = line
    }
    var i = try skipBlanks(place)
    field = Field(start: i, end: i)
    if window.bytes[i] == Self.quote { return try nextQuoted(i) }
    let separator = separator
    var bytes = window.bytes
    while true {
      let byte = bytes[i]
      // Digits, points, signs and letters are all above the comma.
      if byte > 44 && byte != separator {
        i += 1
        continue
      }
      if byte == separator || byte == Self.lineFeed || byte == Self.carriageReturn { break }
      if byte == 0 {
        guard try isFetched(&i) else { break }
        bytes = window.bytes
        continue
      }
      if byte == Self.quote { throw error("a field that is partly in quotes") }
      i += 1
    }
    field.end = i
    while field.end > field.start, isBlank(bytes[field.end - 1]) { field.end -= 1 }
    try endField(i)
    return true
  }

  /// A field whose opening quote is at `start`.
  private func nextQuoted(_ start: Int) throws -> Bool {
    let opened = line
    var i = start + 1
    field = Field(start: i, end: i, isQuoted: true)
    while true {
      let byte = window.bytes[i]
      if byte == Self.quote {
        i += 1
        _ = try isFetched(&i)
        if window.bytes[i] != Self.quote { break }
        field.isDoubled = true
      } else if byte == 0 {
        guard try isFetched(&i) else { throw error("a quote that is never closed", line: opened) }
        continue
      } else if byte == Self.lineFeed {
        line += 1
      }
      i += 1
    }
    field.end = i - 1
    i = try skipBlanks(i)
    let byte = window.bytes[i]
    guard byte == separator || byte == Self.lineFeed || byte == Self.carriageReturn || byte == 0 else {
      throw error("a field that is partly in quotes")
    }
    try endField(i)
    return true
  }

  /// Takes what stands behind a field: a separator, a line end, or the end of the file.
  private func endField(_ stop: Int) throws {
    var i = stop
    endsRecord = window.bytes[i] != separator
    if endsRecord, try isFetched(&i) {
      i = try skipLineEnd(i)
    } else if !endsRecord {
      i += 1
    }
    place = i
  }

  /// - Parameter start: the place of a line feed or a carriage return.
  private func skipLineEnd(_ start: Int) throws -> Int {
    var i = start
    if window.bytes[i] == Self.carriageReturn {
      i += 1
      _ = try isFetched(&i)
      guard window.bytes[i] == Self.lineFeed else {
        throw error("a carriage return without a line feed; allowed: lines that end with LF or CR LF", line: line)
      }
    }
    line += 1
    return i + 1
  }

  /// - Returns: whether a record follows.
  private func skipEmptyLines() throws -> Bool {
    emptyLine = nil
    while true {
      guard try isFetched(&place) else { return false }
      let byte = window.bytes[place]
      guard byte == Self.lineFeed || byte == Self.carriageReturn else { return true }
      emptyLine = line
      field = Field(start: place, end: place)
      place = try skipLineEnd(place)
    }
  }

  private func skipBlanks(_ start: Int) throws -> Int {
    var i = start
    while true {
      if isBlank(window.bytes[i]) {
        i += 1
      } else if try window.bytes[i] != 0 || !isFetched(&i) || !isBlank(window.bytes[i]) {
        return i
      }
    }
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") && separator != byte
  }

  /// Sees to it that the byte at a place is in the window. The places of the field and the mark move with it.
  /// - Returns: false behind the end of the file.
  /// - Throws: `InputError` for a zero in the text.
  private func isFetched(_ i: inout Int) throws -> Bool {
    while i >= window.end {
      if window.isAtEnd { return false }
      let sunk = try window.more(keeping: min(mark?.place ?? i, field.start, i))
      i -= sunk
      field.start -= sunk
      field.end -= sunk
      mark?.place -= sunk
    }
    guard window.bytes[i] != 0 else { throw error("a zero byte; allowed: UTF-8 text", line: line) }
    return true
  }

  func error(_ message: String, line: Int? = nil) -> InputError {
    InputError(message, at: "\(window.path):\(line ?? recordLine)")
  }

  // MARK: The field's content

  /// The field's bytes as they stand in the file: quotes in it are doubled.
  var bytes: UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: window.bytes + field.start, count: field.end - field.start)
  }

  /// The field as text.
  /// - Throws: `InputError` at file and line for what is not UTF-8.
  func text() throws -> String {
    var whole = Array<UInt8>()
    if field.isDoubled {
      var isSecond = false
      whole = bytes.filter { byte in
        isSecond = byte == Self.quote && !isSecond
        return byte != Self.quote || isSecond
      }
    }
    let text =
      field.isDoubled ? String(validating: whole, as: UTF8.self) : String(validating: bytes, as: UTF8.self)
    guard let text else { throw error("is not UTF-8 text") }
    return text
  }

  /// What to say besides of a field that is no number.
  var hint: String {
    let parts = bytes.split(separator: UInt8(ascii: " "))
    let areNumbers = parts.allSatisfy { part in
      !DecimalNumber.value(UnsafeBufferPointer(rebasing: part), point: true, comma: true).value.isNaN
    }
    return parts.count > 1 && areNumbers ? "; blanks part no fields; allowed: commas, semicolons, tabs" : ""
  }

  /// The field for an error: up to 40 characters in quotes, on one line.
  var shown: String { bytes.shown }
}

extension UnsafeBufferPointer<UInt8> {
  /// For an error: up to 40 characters in quotes, on one line.
  var shown: String {
    let text = String(decoding: prefix(200), as: UTF8.self).shown
    return "'\(text)\(count > 200 && !text.hasSuffix("…") ? "…" : "")'"
  }
}

extension String {
  /// For an error: up to 40 characters on one line.
  var shown: String {
    let characters = prefix(41).map { $0.isNewline ? "⏎" : $0.unicodeScalars.contains { $0.value < 32 } ? "�" : $0 }
    return String(characters.prefix(40)) + (characters.count > 40 ? "…" : "")
  }
}
