// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The columns of a table: how many there are, and what they are called.
struct ColumnNames: Sendable, Equatable {
  let header: [String]?
  let count: Int
  /// The file, for errors.
  let path: String

  /// The place of a column, from 0.
  /// - Parameter name: the header's name of the column, or its number in the file, from 0. Names come first.
  /// - Throws: `InputError` where there is no such column, or more than one.
  func index(_ name: String) throws -> Int {
    if let index = try find(name) { return index }
    let numbers = "0 to \(count - 1)"
    var names = ""
    if let header {
      names = header.prefix(50).map(\.shown).joined(separator: ", ") + (header.count > 50 ? ", …" : "") + ", or "
    }
    throw InputError("has no column '\(name)'; allowed: \(names)\(numbers)", at: path)
  }

  /// The place of a column, if there is one.
  /// - Throws: `InputError` for the name of more than one.
  func find(_ name: String) throws -> Int? {
    if let header, let index = header.firstIndex(of: name) {
      let others = header.indices.filter { header[$0] == name }
      guard others.count == 1 else {
        let numbers = others.prefix(10).map(String.init).joined(separator: ", ")
        throw InputError("names \(others.count) columns '\(name)'; give a number: \(numbers)", at: path)
      }
      return index
    }
    return Int(name).flatMap { $0 >= 0 && $0 < count ? $0 : nil }
  }

  /// The places of columns, of which none may be named twice.
  func indices(_ names: [String]) throws -> [Int] {
    let found = try names.map { try index($0) }
    var seen: Set<Int> = []
    for (name, index) in zip(names, found) where !seen.insert(index).inserted {
      throw InputError("column '\(name)' is named twice", at: path)
    }
    return found
  }

  /// A column for errors and notes: its place from 1, and its name where it has one.
  func text(_ column: Int) -> String {
    guard let name = header?[column], !name.isEmpty else { return "column \(column + 1)" }
    return "column \(column + 1) (\(name.shown))"
  }

  /// What a config calls a column.
  func key(_ column: Int) -> String {
    guard let header, !header[column].isEmpty, header[column].shown == header[column],
      header.filter({ $0 == header[column] }).count == 1
    else {
      return String(column)
    }
    return header[column]
  }
}
