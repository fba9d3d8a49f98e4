// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A table from a file, in memory: text as CSV (RFC 4180), plain or gzipped, or `.npy`. Its columns hold finite
/// numbers, except for those that are asked for as text.
public struct NumericTable: Sendable {
  /// The names of the columns, where the first line has them: `FirstLine` has the rule.
  public let header: [String]?
  /// The columns of numbers: rows × (columns of the file − text columns).
  public let values: Batch
  /// The entries of each text column, in the order in which the columns were asked for.
  public let texts: [[String]]
  /// The checksum of the file's (uncompressed) bytes.
  public let fingerprint: String
  /// What was guessed, a sentence each.
  public let notes: [String]
  private let table: Table

  /// Reads a file.
  /// - Parameters:
  ///   - path: the file.
  ///   - names: the columns to read as text, by the header's names or by numbers from 0.
  ///   - format: how the file is written, where that is not to be found in it.
  /// - Throws: `InputError` at file and line for a missing file, ragged rows, open quotes, fields that are no finite
  ///   numbers, or no rows.
  public init(reading path: String, texts names: [String] = [], format: TableFormat = TableFormat()) throws {
    table = try Table(reading: path, format: format, asked: names) { columns in
      let texts = try columns.indices(names)
      let numbers = (0..<columns.count).filter { !texts.contains($0) }
      guard !numbers.isEmpty else {
        throw InputError("all its columns are text; allowed: one of numbers or more", at: path)
      }
      return ColumnPlaces(data: numbers, texts: texts)
    }
    header = table.names.header
    values = table.rows.batch()
    texts = table.texts
    fingerprint = table.fingerprint
    notes = table.notes
  }

  /// The line of the file in which each row begins, from 1; empty for `.npy`.
  public var lines: [Int] { table.lines.map { lines in (0..<lines.count).map { lines[$0] } } ?? [] }

  /// The column of `values` that holds a column of the file.
  /// - Parameter name: the header's name of the column, or its number in the file, from 0.
  /// - Throws: `InputError` where there is no such column.
  public func column(_ name: String) throws -> Int {
    guard let column = table.places.data.firstIndex(of: try table.names.index(name)) else {
      throw InputError("column '\(name)' is one of text; expected one of numbers", at: table.path)
    }
    return column
  }

  /// Where in the file a row is, as `file:line`.
  public func location(ofRow row: Int) -> String { table.location(ofRow: row) }
}
