// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A table from a CSV file (RFC 4180), plain or gzipped. Its columns hold finite numbers, except for those that are
/// asked for as text. A first line with anything but numbers outside the text columns is the header.
public struct NumericTable: Sendable {
  public let header: [String]?
  /// The columns of numbers: rows × (columns of the file − text columns).
  public let values: Batch
  /// The entries of each text column, in the order in which the columns were asked for.
  public let texts: [[String]]
  /// The line of the file in which each row begins, from 1.
  public let lines: [Int]
  /// FNV-1a of the file's (uncompressed) bytes.
  public let fingerprint: String
  private let path: String
  /// The columns of the file, from 0, that `values` holds.
  private let columns: [Int]

  /// Reads a file.
  /// - Parameters:
  ///   - path: the file.
  ///   - texts: the columns to read as text, by the header's names or by numbers from 0.
  /// - Throws: `InputError` at file and line for a missing file, ragged rows, open quotes, fields that are no finite
  ///   numbers, or no rows.
  public init(reading path: String, texts names: [String] = []) throws {
    let bytes = try FileBytes.contents(of: path)
    var records = CSVRecords(bytes, path: path)
    var header: [String]?
    var textColumns: [Int]?
    var values: [Double] = []
    var texts = [[String]](repeating: [], count: names.count)
    var lines: [Int] = []
    var width: Int?
    while let record = try records.next() {
      let fields = record.fields
      if width == nil {
        width = fields.count
        // Text columns that are named by the header can only be found in it.
        let numbered = names.compactMap { Self.index($0, header: nil, count: fields.count) }
        if numbered.count < names.count
          || fields.indices.contains(where: { !numbered.contains($0) && Double(fields[$0]) == nil })
        {
          header = fields
          textColumns = try names.map { try Self.index($0, header, fields.count, path) }
          continue
        }
        textColumns = numbered
      }
      guard let width, let textColumns, fields.count == width else {
        throw InputError("\(fields.count) values in this row, \(width ?? 0) in the first", at: "\(path):\(record.line)")
      }
      for (index, field) in fields.enumerated() where !textColumns.contains(index) {
        guard let number = Double(field), number.isFinite else {
          throw InputError("'\(field)' in column \(index + 1) is not a finite number", at: "\(path):\(record.line)")
        }
        values.append(number)
      }
      for (k, column) in textColumns.enumerated() { texts[k].append(fields[column]) }
      lines.append(record.line)
    }
    guard let width, !lines.isEmpty else { throw InputError("no rows of numbers", at: path) }
    let columns = (0..<width).filter { textColumns?.contains($0) != true }
    guard !columns.isEmpty else {
      throw InputError("all its columns are text; allowed: one of numbers or more", at: path)
    }
    self.header = header
    self.values = Batch(values: values, dimension: columns.count)
    self.texts = texts
    self.lines = lines
    self.columns = columns
    self.path = path
    var checksum = Checksum()
    checksum.add(bytes)
    fingerprint = checksum.text
  }

  /// The column of `values` that holds a column of the file.
  /// - Parameter name: the header's name of the column, or its number in the file, from 0.
  /// - Throws: `InputError` where there is no such column.
  public func column(_ name: String) throws -> Int {
    let index = try Self.index(name, header, columns.count + texts.count, path)
    guard let column = columns.firstIndex(of: index) else {
      throw InputError("column '\(name)' is one of text; expected one of numbers", at: path)
    }
    return column
  }

  /// Where in the file a row is, as `file:line`.
  public func location(ofRow row: Int) -> String { "\(path):\(lines[row])" }

  private static func index(_ name: String, header: [String]?, count: Int) -> Int? {
    if let index = header?.firstIndex(of: name) { return index }
    return Int(name).flatMap { $0 >= 0 && $0 < count ? $0 : nil }
  }

  private static func index(_ name: String, _ header: [String]?, _ count: Int, _ path: String) throws -> Int {
    if let index = index(name, header: header, count: count) { return index }
    let numbers = "0 to \(count - 1)"
    throw InputError(
      "has no column '\(name)'; allowed: \(header.map { $0.joined(separator: ", ") + ", or " } ?? "")\(numbers)",
      at: path)
  }
}
