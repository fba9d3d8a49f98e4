// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The columns of a table that hold the conditions of its rows.
public enum ConditionColumns: Sendable, Equatable {
  /// No column: nothing is known of a row.
  case nothing
  /// A column of classes: whole numbers from 0.
  case label(String)
  /// Columns of numbers.
  case numbers([String])
  /// A column of classes, and columns of numbers.
  case both(label: String, numbers: [String])
  /// A column of text.
  case text(String)

  /// The largest class that a table may hold.
  static let largestClass = 999_999

  var names: [String] { numbers + texts }

  var texts: [String] { if case .text(let name) = self { [name] } else { [] } }

  /// The columns of classes or numbers.
  var numbers: [String] {
    switch self {
    case .nothing, .text: []
    case .label(let name): [name]
    case .numbers(let names): names
    case .both(let label, let names): [label] + names
    }
  }

  /// The conditions of the rows of a table that was read with these columns.
  /// - Throws: `InputError` at file and line for classes that are no whole numbers from 0 to 999,999.
  func conditions(of table: Table) throws -> (conditions: Conditions, shape: ConditionShape) {
    switch self {
    case .text:
      if let texts = table.texts.first { return (.texts(texts), .text) }
    case .numbers:
      if let numbers = table.numbers { return (.numbers(numbers), .numbers(numbers.dimension)) }
    case .label:
      if let numbers = table.numbers {
        let labels = try table.labels(numbers)
        return (.labels(labels), .classes((labels.max() ?? 0) + 1))
      }
    case .both:
      if let numbers = table.numbers {
        let labels = try table.labels(numbers.columns([0]))
        let others = numbers.columns(Array(1..<numbers.dimension))
        return (
          .both(labels: labels, numbers: others),
          .both(classes: (labels.max() ?? 0) + 1, numbers: others.dimension)
        )
      }
    case .nothing: break
    }
    return (.nothing, .nothing)
  }
}

extension Table {
  /// A column as classes.
  /// - Throws: `InputError` at file and line for what is no whole number from 0 to 999,999.
  func labels(_ column: Batch) throws -> [Int] {
    try column.values.enumerated().map { row, value in
      guard let label = Int(exactly: value), (0...ConditionColumns.largestClass).contains(label) else {
        throw InputError(
          "\(value) is no class; allowed: whole numbers from 0 to \(ConditionColumns.largestClass)",
          at: location(ofRow: row))
      }
      return label
    }
  }
}

extension Conditions {
  /// Reads a file that holds the condition of a row in every line, and nothing else: CSV, or `.npy` for classes and
  /// numbers.
  /// - Parameters:
  ///   - path: the file.
  ///   - shape: what the conditions are: a class, so many numbers, a class before so many numbers, or text.
  /// - Throws: `InputError` at file and line for conditions of another shape.
  public init(reading path: String, as shape: ConditionShape) throws {
    guard shape != .nothing else { throw InputError("holds conditions, and the network knows none", at: path) }
    if shape == .text {
      self = .texts(try Self.texts(reading: path))
      return
    }
    let width =
      switch shape {
      case .numbers(let count): count
      case .both(_, let count): count + 1
      case .nothing, .classes, .text: 1
      }
    // A line of whole numbers is a row here: all lines are.
    var format = TableFormat()
    format.countsAreNames = false
    let table = try Table(reading: path, format: format) { ColumnPlaces(data: Array(0..<$0.count)) }
    guard table.rows.dimension == width else {
      throw InputError("rows of \(table.rows.dimension) values; a condition has \(width)", at: path)
    }
    let values = table.rows.batch()
    guard shape.classCount > 0 else {
      self = .numbers(values)
      return
    }
    let labels = try table.labels(values.columns([0]))
    if let row = labels.firstIndex(where: { $0 >= shape.classCount }) {
      throw InputError(
        "class \(labels[row]); allowed: whole numbers below \(shape.classCount)", at: table.location(ofRow: row))
    }
    self = width == 1 ? .labels(labels) : .both(labels: labels, numbers: values.columns(Array(1..<width)))
  }

  /// The lines of a file of one text column without a header.
  private static func texts(reading path: String) throws -> [String] {
    let window = try TextWindow(path)
    _ = try window.more()
    let reader = CSVReader(
      window, from: window.begins(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0, separator: UInt8(ascii: ","))
    var texts: [String] = []
    while try reader.next() {
      if let line = reader.emptyLine {
        throw reader.error("an empty line; a text without characters is written \"\"", line: line)
      }
      texts.append(try reader.text())
      guard !reader.endsRecord else { continue }
      var fields = 1
      while !reader.endsRecord, try reader.next() { fields += 1 }
      throw reader.error("\(fields) fields in this row; a text with commas stands in quotes")
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
  public func only(_ rows: [Int]) -> Batch { Batch(values: rows.flatMap { row($0) }, dimension: dimension) }
}
