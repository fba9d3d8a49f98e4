// SPDX-License-Identifier: GPL-3.0-or-later

/// A table that this program wrote (`CSVText`), read back by the names of its columns. A last row that is not whole, or
/// any row of another length, is left out.
package struct CSVTable {
  package let columns: [String]
  private let rows: [[String]]

  package init(_ text: String) {
    var records: [[String]] = []
    var (record, field, isQuoted) = ([String](), "", false)
    var characters = text.unicodeScalars.makeIterator()
    var next = characters.next()
    while let scalar = next {
      next = characters.next()
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
        records.append(record + [field])
        (record, field) = ([], "")
      default: field.unicodeScalars.append(scalar)
      }
    }
    let columns = records.first ?? []
    self.columns = columns
    rows = records.dropFirst().filter { $0.count == columns.count }
  }

  /// How many rows there are.
  package var count: Int { rows.count }

  /// A field; nil where there is no such column.
  package subscript(_ column: String, _ row: Int) -> String? { columns.firstIndex(of: column).map { rows[row][$0] } }

  /// A field that is a finite number.
  package func number(_ column: String, _ row: Int) -> Double? {
    self[column, row].flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil }
  }
}
