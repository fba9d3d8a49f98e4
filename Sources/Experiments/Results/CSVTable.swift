// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// A table that this program wrote (`CSVText`), read back by the names of its columns. A last row that is not whole, or
/// any row of another length, is left out.
package struct CSVTable {
  package let columns: [String]
  private let rows: [[String]]
  /// The line of the text at which each row begins.
  private let lines: [Int]
  private let places: [String: Int]

  package init(_ text: String) {
    let records = Self.records(text)
    let columns = records.first?.fields ?? []
    let whole = records.dropFirst().filter { $0.isWhole && $0.fields.count == columns.count }
    self.init(columns, whole)
  }

  /// A table of a file, of which every row must be whole.
  /// - Parameters:
  ///   - path: the file.
  ///   - remedy: what makes it, where it is missing.
  /// - Throws: `InputError` at file and line for what is no such table.
  init(reading path: String, missing remedy: String) throws {
    guard let data = Team.current.decided({ FileManager.default.contents(atPath: path) }) else {
      throw InputError("no such file; \(remedy)", at: path)
    }
    guard let text = String(data: data, encoding: .utf8) else { throw InputError("is not UTF-8 text", at: path) }
    let records = Self.records(text)
    guard let header = records.first?.fields, header != [""] else {
      throw InputError("is empty; expected a table", at: path)
    }
    guard Set(header).count == header.count else { throw InputError("names a column twice", at: "\(path):1") }
    for record in records.dropFirst() where !record.isWhole || record.fields.count != header.count {
      throw InputError(
        "not a row of this program: \(record.fields.count) fields for \(header.count) columns"
          + (record.isWhole ? "" : ", and no end of line"), at: "\(path):\(record.line)")
    }
    self.init(header, Array(records.dropFirst()))
  }

  private typealias Record = (fields: [String], line: Int, isWhole: Bool)

  private init(_ columns: [String], _ records: [Record]) {
    self.columns = columns
    rows = records.map(\.fields)
    lines = records.map(\.line)
    places = Dictionary(columns.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private static func records(_ text: String) -> [Record] {
    var records: [Record] = []
    var (record, field, isQuoted, line, start) = ([String](), "", false, 1, 1)
    var characters = text.unicodeScalars.makeIterator()
    var next = characters.next()
    while let scalar = next {
      next = characters.next()
      if scalar == "\n" { line += 1 }
      if isQuoted {
        if scalar != "\"" {
          field.unicodeScalars.append(scalar)
        } else if next == "\"" {
          field.append("\"")
          next = characters.next()
        } else {
          isQuoted = false
        }
        continue
      }
      switch scalar {
      case "\"": isQuoted = true
      case ",":
        record.append(field)
        field = ""
      case "\r": break
      case "\n":
        records.append((record + [field], start, true))
        (record, field, start) = ([], "", line)
      default: field.unicodeScalars.append(scalar)
      }
    }
    if !record.isEmpty || !field.isEmpty || isQuoted { records.append((record + [field], start, false)) }
    return records
  }

  /// How many rows there are.
  package var count: Int { rows.count }

  /// A field; nil where there is no such column.
  package subscript(_ column: String, _ row: Int) -> String? { places[column].map { rows[row][$0] } }

  /// A field that is a finite number.
  package func number(_ column: String, _ row: Int) -> Double? {
    self[column, row].flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil }
  }

  /// The line of the file at which a row begins.
  func line(_ row: Int) -> Int { lines[row] }
}
