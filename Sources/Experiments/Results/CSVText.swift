// SPDX-License-Identifier: GPL-3.0-or-later

/// A CSV table (RFC 4180) with a header row: fields that hold a comma, a quote or a line end are quoted, numbers are
/// the shortest decimals that read back exactly.
struct CSVText {
  private(set) var text: String
  private let columns: Int

  init(columns: [String]) {
    text = ""
    self.columns = columns.count
    add(columns)
  }

  /// A row of texts.
  mutating func add(_ fields: [String]) {
    precondition(fields.count == columns, "\(fields.count) fields for \(columns) columns")
    text += fields.map(Self.quoted).joined(separator: ",")
    text += "\n"
  }

  /// A row of numbers.
  mutating func add(_ numbers: some Collection<Double>) {
    precondition(numbers.count == columns, "\(numbers.count) fields for \(columns) columns")
    var isFirst = true
    for number in numbers {
      if !isFirst { text += "," }
      text += number.description
      isFirst = false
    }
    text += "\n"
  }

  /// Hands over the text so far, and begins anew behind it.
  mutating func drain(_ write: (UnsafeRawBufferPointer) throws -> Void) rethrows {
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    text.removeAll(keepingCapacity: true)
  }

  mutating func reserve(_ bytes: Int) { text.reserveCapacity(bytes) }

  /// Rows that a table of the same columns has already.
  mutating func append(rows: some StringProtocol) { text += rows }

  private static func quoted(_ field: String) -> String {
    guard field.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return field }
    return "\"" + field.replacing("\"", with: "\"\"") + "\""
  }
}
