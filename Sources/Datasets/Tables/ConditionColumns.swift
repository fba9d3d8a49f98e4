// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The columns of a table that hold the conditions of its rows.
public enum ConditionColumns: Sendable, Equatable {
  case nothing
  /// A column of classes: whole numbers from 0.
  case label(String)
  /// Columns of numbers.
  case numbers([String])
  /// A column of text.
  case text(String)

  /// The largest class that a table may hold.
  static let largestClass = 999_999

  /// Reads a table whose other columns are the data.
  /// - Throws: `InputError` at file and line for what the table does not have, for classes that are no whole numbers
  ///   from 0 to 999,999, and where no column is left for the data.
  func read(_ path: String) throws -> (data: Batch, conditions: Conditions, shape: ConditionShape, fingerprint: String)
  {
    let table = try NumericTable(reading: path, texts: texts)
    let columns = try names.map { try table.column($0) }
    if let twice = columns.indices.first(where: { columns[..<$0].contains(columns[$0]) }) {
      throw InputError("column '\(names[twice])' is named twice", at: path)
    }
    let (conditions, shape) = try conditions(of: table, columns)
    let others = (0..<table.values.dimension).filter { !columns.contains($0) }
    guard !others.isEmpty else { throw InputError("no column is left for the data", at: path) }
    return (table.values.columns(others), conditions, shape, table.fingerprint)
  }

  private var texts: [String] { if case .text(let name) = self { [name] } else { [] } }

  private var names: [String] {
    switch self {
    case .nothing, .text: []
    case .label(let name): [name]
    case .numbers(let names): names
    }
  }

  private func conditions(of table: NumericTable, _ columns: [Int]) throws -> (Conditions, ConditionShape) {
    switch self {
    case .nothing: return (.nothing, .nothing)
    case .label:
      let labels = try table.labels(columns[0])
      return (.labels(labels), .classes((labels.max() ?? 0) + 1))
    case .numbers: return (.numbers(table.values.columns(columns)), .numbers(columns.count))
    case .text: return (.texts(table.texts[0]), .text)
    }
  }
}

extension NumericTable {
  /// A column of `values` as classes.
  /// - Throws: `InputError` at file and line for what is no whole number from 0 to 999,999.
  func labels(_ column: Int) throws -> [Int] {
    try (0..<values.count).map { row in
      guard let label = Int(exactly: values[row, column]), (0...ConditionColumns.largestClass).contains(label) else {
        throw InputError(
          "\(values[row, column]) is no class; allowed: whole numbers from 0 to \(ConditionColumns.largestClass)",
          at: location(ofRow: row))
      }
      return label
    }
  }
}

extension Conditions {
  /// Reads a CSV file that holds the condition of a row in every line, and nothing else.
  /// - Parameter shape: what the conditions are: a class, so many numbers, or text.
  /// - Throws: `InputError` at file and line for conditions of another shape.
  public init(reading path: String, as shape: ConditionShape) throws {
    if shape == .text {
      let texts = try NumericTable.texts(reading: path)
      self = .texts(texts)
      return
    }
    let table = try NumericTable(reading: path)
    let width = if case .numbers(let count) = shape { count } else { 1 }
    guard shape != .nothing else { throw InputError("holds conditions, and the network knows none", at: path) }
    guard table.values.dimension == width else {
      throw InputError("rows of \(table.values.dimension) values; a condition has \(width)", at: path)
    }
    guard case .classes(let count) = shape else {
      self = .numbers(table.values)
      return
    }
    let labels = try table.labels(0)
    if let row = labels.firstIndex(where: { $0 >= count }) {
      throw InputError(
        "class \(labels[row]); allowed: whole numbers below \(count)", at: table.location(ofRow: row))
    }
    self = .labels(labels)
  }
}

extension NumericTable {
  /// The lines of a file of one text column without a header.
  static func texts(reading path: String) throws -> [String] {
    var records = CSVRecords(try FileBytes.contents(of: path), path: path)
    var texts: [String] = []
    while let record = try records.next() {
      guard record.fields.count == 1 else {
        throw InputError(
          "\(record.fields.count) fields in this row; a text with commas stands in quotes", at: "\(path):\(record.line)"
        )
      }
      texts.append(record.fields[0])
    }
    guard !texts.isEmpty else { throw InputError("no rows of text", at: path) }
    return texts
  }
}

extension Batch {
  /// Some of the columns, in the order given.
  func columns(_ columns: [Int]) -> Batch {
    Batch(values: (0..<count).flatMap { row in columns.map { self[row, $0] } }, dimension: columns.count)
  }

  /// Some of the rows, in the order given.
  func only(_ rows: [Int]) -> Batch { Batch(values: rows.flatMap { row($0) }, dimension: dimension) }
}
