// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What was read of a file of rows: a table in text, or NumPy's `.npy`. Which it is, its first bytes say.
struct Table: Sendable {
  let names: ColumnNames
  let places: ColumnPlaces
  /// The columns of the data: finite numbers.
  let rows: TableRows
  /// The columns of numbers that are conditions; nil: there are none.
  let numbers: Batch?
  /// The columns of text, column by column.
  let texts: [[String]]
  /// The checksum of the file's (uncompressed) bytes.
  let fingerprint: String
  /// Whether the header is the numbers 0, 1, …, n − 1.
  let hasCountingHeader: Bool
  /// What was guessed, a sentence each.
  var notes: [String]
  /// nil: rows have no lines.
  let lines: RowLines?

  /// Reads a file.
  /// - Parameters:
  ///   - path: the file.
  ///   - format: how text is written; `.npy` has its own header, and asks for nothing else than `auto`.
  ///   - asked: the names by which columns are asked for.
  ///   - select: the columns to read. It is also asked what they are without a header, to tell whether the first line
  /// is
  ///     a row.
  /// - Throws: `InputError` at file and line for what is no such table, or has no rows.
  init(
    reading path: String, format: TableFormat = TableFormat(), asked: [String] = [],
    select: (ColumnNames) throws -> ColumnPlaces
  ) throws {
    let window = try TextWindow(path)
    _ = try window.more()
    try Self.refuseOthers(window)
    if window.begins(with: NPYFile.magic) {
      guard format == TableFormat() || !format.isGiven else {
        throw InputError("is an .npy file, which has no header line, separator or decimal mark to be told of", at: path)
      }
      self = try Table(NPYFile(window), select: select)
    } else {
      self = try Table(text: window, format, asked: asked, select: select)
    }
  }

  /// Refuses kinds of files that are taken for tables by mistake.
  static func refuseOthers(_ window: TextWindow) throws {
    func refuse(_ what: String) -> InputError {
      InputError("is \(what); allowed: a table as UTF-8 text (CSV), or an .npy file", at: window.path)
    }
    if window.begins(with: [0xFF, 0xFE]) || window.begins(with: [0xFE, 0xFF]) { throw refuse("UTF-16 text") }
    if window.begins(with: Array("PK".utf8) + [3, 4]) || window.begins(with: Array("PK".utf8) + [5, 6]) {
      throw refuse(window.path.hasSuffix(".npz") ? "an .npz archive of arrays" : "a zip archive, as .npz and .xlsx are")
    }
    if window.begins(with: [0x89] + Array("HDF".utf8)) { throw refuse("an HDF5 file") }
    if window.begins(with: Array("PAR1".utf8)) { throw refuse("a Parquet file") }
  }

  init(
    names: ColumnNames, places: ColumnPlaces, rows: TableRows, numbers: Batch? = nil, texts: [[String]] = [],
    fingerprint: String, hasCountingHeader: Bool = false, notes: [String] = [], lines: RowLines? = nil
  ) {
    self.names = names
    self.places = places
    self.rows = rows
    self.numbers = numbers
    self.texts = texts
    self.fingerprint = fingerprint
    self.hasCountingHeader = hasCountingHeader
    self.notes = notes
    self.lines = lines
  }

  var path: String { names.path }

  /// Where in the file a row is, as `file:line`; as `file: row n` where it has no lines.
  func location(ofRow row: Int) -> String { lines.map { "\(path):\($0[row])" } ?? "\(path): row \(row + 1)" }
}

extension TableFormat {
  /// Whether anything is said.
  var isGiven: Bool { header != .auto || separator != .auto || decimal != .auto }
}
