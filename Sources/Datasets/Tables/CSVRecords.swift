// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The records of a CSV file (RFC 4180), one after the other: fields between commas, trimmed of blanks; a field in
/// quotes may hold commas, line ends and doubled quotes. Empty lines are left out.
struct CSVRecords {
  struct Record {
    let fields: [String]
    /// The line in which the record begins, from 1.
    let line: Int
  }

  private let bytes: [UInt8]
  private let path: String
  private var place: Int
  private var line = 0

  /// - Parameter path: names the file in errors.
  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
    // Spreadsheets begin a file with a byte order mark.
    place = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  /// The next record; nil at the end of the file.
  /// - Throws: `InputError` at file and line for a quote that is never closed, or that something follows.
  mutating func next() throws -> Record? {
    while place < bytes.count {
      let first = line + 1
      var end = place
      var isQuoted = false
      while end < bytes.count {
        let byte = bytes[end]
        if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
        if byte == UInt8(ascii: "\n") {
          line += 1
          if !isQuoted { break }
        }
        end += 1
      }
      guard !isQuoted else { throw InputError("a quote that is never closed", at: "\(path):\(first)") }
      if end == bytes.count { line += 1 }
      var stop = end
      if stop > place && bytes[stop - 1] == UInt8(ascii: "\r") { stop -= 1 }
      let text = bytes[place..<stop]
      place = end + 1
      if !text.isEmpty { return Record(fields: try fields(text, line: first), line: first) }
    }
    return nil
  }

  private func fields(_ record: ArraySlice<UInt8>, line: Int) throws -> [String] {
    guard record.contains(UInt8(ascii: "\"")) else {
      return record.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
        String(decoding: Self.trimmed($0), as: UTF8.self)
      }
    }
    var fields: [String] = []
    var start = record.startIndex
    while true {
      var end = start
      var isQuoted = false
      while end < record.endIndex, isQuoted || record[end] != UInt8(ascii: ",") {
        if record[end] == UInt8(ascii: "\"") { isQuoted.toggle() }
        end += 1
      }
      fields.append(try unquoted(Self.trimmed(record[start..<end]), line: line))
      guard end < record.endIndex else { return fields }
      start = end + 1
    }
  }

  private func unquoted(_ field: ArraySlice<UInt8>, line: Int) throws -> String {
    let quote = UInt8(ascii: "\"")
    guard field.contains(quote) else { return String(decoding: field, as: UTF8.self) }
    let parts = field.dropFirst().dropLast().split(separator: quote, omittingEmptySubsequences: false)
    // Between the outer quotes, quotes stand in pairs: every second part is empty.
    guard field.count >= 2, field.first == quote, field.last == quote, parts.count % 2 == 1,
      parts.enumerated().allSatisfy({ $0.offset % 2 == 0 || $0.element.isEmpty })
    else {
      throw InputError("a field that is partly in quotes", at: "\(path):\(line)")
    }
    let whole = parts.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    return String(decoding: Array(whole.joined(separator: [quote])), as: UTF8.self)
  }

  private static func trimmed(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isBlank(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    var field = field
    while isBlank(field.first) { field.removeFirst() }
    while isBlank(field.last) { field.removeLast() }
    return field
  }
}
