// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// A table that this program wrote (`CSVText`), by the names of its columns.
struct CSVTable {
  let columns: [String]
  /// The fields of each row, as many as there are columns.
  let rows: [[String]]
  /// The line of the file at which each row begins.
  let lines: [Int]
  private let places: [String: Int]

  /// - Throws: `InputError` at file and line for what is no such table.
  init(reading path: String, missing remedy: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw InputError("no such file; \(remedy)", at: path)
    }
    guard let text = String(data: data, encoding: .utf8) else { throw InputError("is not UTF-8 text", at: path) }
    try self.init(text, at: path)
  }

  init(_ text: String, at path: String) throws {
    let records = Self.records(text)
    guard let header = records.first?.fields, !header.allSatisfy(\.isEmpty) else {
      throw InputError("is empty; expected a table", at: path)
    }
    for record in records.dropFirst() where record.fields.count != header.count {
      throw InputError("\(record.fields.count) fields for \(header.count) columns", at: "\(path):\(record.line)")
    }
    guard Set(header).count == header.count else { throw InputError("names a column twice", at: "\(path):1") }
    columns = header
    rows = records.dropFirst().map(\.fields)
    lines = records.dropFirst().map(\.line)
    places = Dictionary(uniqueKeysWithValues: header.enumerated().map { ($1, $0) })
  }

  /// A field of a row; nil where there is no such column.
  func field(_ row: Int, _ column: String) -> String? { places[column].map { rows[row][$0] } }

  /// The number of a field; nil where it is none, or empty.
  func number(_ row: Int, _ column: String) -> Double? {
    field(row, column).flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil }
  }

  /// Records that end with a line, whose fields may be quoted (RFC 4180). Empty lines are none.
  private static func records(_ text: String) -> [(fields: [String], line: Int)] {
    var records: [(fields: [String], line: Int)] = []
    var (fields, field): ([String], String.UnicodeScalarView) = ([], .init())
    var (isQuoted, wasQuoted, line, start) = (false, false, 1, 1)
    func finishField() {
      fields.append(String(field))
      field = .init()
      wasQuoted = false
    }
    func finishRecord() {
      finishField()
      if fields != [""] { records.append((fields, start)) }
      fields = []
      start = line + 1
    }
    let scalars = Array(text.unicodeScalars)
    var i = 0
    while i < scalars.count {
      let c = scalars[i]
      if isQuoted {
        if c == "\"" {
          if i + 1 < scalars.count, scalars[i + 1] == "\"" {
            field.append(c)
            i += 1
          } else {
            isQuoted = false
          }
        } else {
          if c == "\n" { line += 1 }
          field.append(c)
        }
      } else if c == "\"", field.isEmpty, !wasQuoted {
        (isQuoted, wasQuoted) = (true, true)
      } else if c == "," {
        finishField()
      } else if c == "\n" {
        if field.last == "\r" { field.removeLast() }
        finishRecord()
        line += 1
      } else {
        field.append(c)
      }
      i += 1
    }
    if !fields.isEmpty || !field.isEmpty { finishRecord() }
    return records
  }
}
