// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A CSV table that this program wrote (RFC 4180), as texts: the columns by name, and the rows.
struct CSVRecords {
  let columns: [String: Int]
  /// The columns in their order.
  let names: [String]
  let rows: [[String]]

  /// - Returns: nil for a text that is no such table: without a header, or with rows of another length.
  init?(_ text: String) {
    var (rows, row, field) = ([[String]](), [String](), [UInt8]())
    var (isQuoted, wasQuoted) = (false, false)
    let (quote, comma, newline, carriage) = (UInt8(34), UInt8(44), UInt8(10), UInt8(13))
    func end() {
      row.append(String(decoding: field, as: UTF8.self))
      field.removeAll(keepingCapacity: true)
      wasQuoted = false
    }
    for byte in text.utf8 {
      if isQuoted {
        if byte == quote { (isQuoted, wasQuoted) = (false, true) } else { field.append(byte) }
        continue
      }
      switch byte {
      case quote:
        // The second of two within a field stands for one.
        if wasQuoted { field.append(quote) }
        isQuoted = true
      case comma: end()
      case newline:
        end()
        rows.append(row)
        row.removeAll(keepingCapacity: true)
      case carriage: break
      default: field.append(byte)
      }
    }
    guard !isQuoted, row.isEmpty, field.isEmpty, let names = rows.first, Set(names).count == names.count,
      rows.allSatisfy({ $0.count == names.count })
    else { return nil }
    self.names = names
    columns = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    self.rows = Array(rows.dropFirst())
  }

  /// A field of a row; nil where there is no such column.
  subscript(row: Int, column: String) -> String? { columns[column].map { rows[row][$0] } }
}
