// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// A table of a results folder as texts, by the names of its columns: whatever program wrote it, and however much of it
/// is there.
struct ReportTable: Sendable, Equatable {
  let columns: [String]
  /// Each with a text for every column.
  let rows: [[String]]
  /// What of the file could not be used.
  let problems: [String]

  /// The largest file that is read.
  static let largest = 32 << 20

  /// Reads a CSV file (RFC 4180) with a header. Rows that are too short or too long are left out and told.
  /// - Throws: `InputError` for a file that cannot be read, or has no header.
  init(reading path: String) throws {
    let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int ?? 0
    guard size <= Self.largest else {
      throw InputError("has \(size) bytes; at most \(Self.largest) are read", at: path)
    }
    guard let data = FileManager.default.contents(atPath: path) else { throw InputError("cannot be read", at: path) }
    guard let text = String(data: data, encoding: .utf8) else { throw InputError("is not UTF-8 text", at: path) }
    try self.init(text: text, path: path)
  }

  init(text: String, path: String) throws {
    var (records, isOpen) = Self.records(text)
    guard !records.isEmpty else { throw InputError("is empty", at: path) }
    let header = records.removeFirst()
    guard Set(header).count == header.count, !header.contains("") else {
      throw InputError("has no header of different names", at: path)
    }
    var problems: [String] = []
    let whole = records.filter { $0.count == header.count }
    if whole.count < records.count {
      problems.append(
        "\(path): \(records.count - whole.count) of \(records.count) rows have other fields than the header")
    }
    if isOpen { problems.append("\(path): ends within quotes") }
    isOpen = false
    (columns, rows, self.problems) = (header, whole, problems)
  }

  init(columns: [String], rows: [[String]]) {
    (self.columns, self.rows, problems) = (columns, rows, [])
  }

  /// The records of a text, and whether it ends within quotes.
  private static func records(_ text: String) -> ([[String]], Bool) {
    var records: [[String]] = []
    var record: [String] = []
    var field: [UInt8] = []
    var (isQuoted, wasQuoted) = (false, false)
    func end() {
      record.append(String(decoding: field, as: UTF8.self))
      field.removeAll(keepingCapacity: true)
      wasQuoted = false
    }
    func endRecord() {
      if record.isEmpty && field.isEmpty && !wasQuoted { return }
      end()
      records.append(record)
      record = []
    }
    var bytes = Array(text.utf8)[...]
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    var i = bytes.startIndex
    while i < bytes.endIndex {
      let byte = bytes[i]
      i += 1
      switch byte {
      case UInt8(ascii: "\"") where isQuoted:
        if i < bytes.endIndex, bytes[i] == byte {
          field.append(byte)
          i += 1
        } else {
          isQuoted = false
        }
      case UInt8(ascii: "\"") where field.isEmpty && !wasQuoted: (isQuoted, wasQuoted) = (true, true)
      case UInt8(ascii: ",") where !isQuoted: end()
      case UInt8(ascii: "\n") where !isQuoted: endRecord()
      case UInt8(ascii: "\r") where !isQuoted && i < bytes.endIndex && bytes[i] == UInt8(ascii: "\n"): break
      default: field.append(byte)
      }
    }
    endRecord()
    return (records, isQuoted)
  }

  /// The texts of a column; nil where there is none of this name.
  func texts(_ column: String) -> [String]? {
    columns.firstIndex(of: column).map { index in rows.map { $0[index] } }
  }

  /// The numbers of a column, NaN for what is none.
  func numbers(_ column: String) -> [Double]? { texts(column)?.map { Double($0) ?? .nan } }

  /// One entry; empty where the column is missing.
  func text(_ row: Int, _ column: String) -> String {
    columns.firstIndex(of: column).map { rows[row][$0] } ?? ""
  }

  /// The columns with intervals and those behind the solver's cost: metrics, in their order.
  var metrics: [String] {
    let others: Set = [
      "run", "experiment", "process", "solver", "kind", "count", "steps", "nfe", "nfe_max", "seconds", "seed",
      "overrides",
      "repeat",
    ]
    let names = Set(columns)
    return columns.filter { name in
      if others.contains(name) { return false }
      for ending in ["_low", "_high"]
      where name.hasSuffix(ending) && names.contains(String(name.dropLast(ending.count))) {
        return false
      }
      return true
    }
  }
}
