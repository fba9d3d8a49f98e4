// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How a file of data is laid out: the pattern by which files beside it are read.
struct TableLayout: Sendable {
  let columns: TableColumns
  /// The columns of the data's file; nil: the data has no file.
  let names: ColumnNames?
  /// Where in it the columns are.
  let places: ColumnPlaces?

  init(_ columns: TableColumns, _ names: ColumnNames? = nil, _ places: ColumnPlaces? = nil) {
    self.columns = columns
    self.names = names
    self.places = places
  }

  /// Where the same columns are in another file. The first of these counts that gives rows of `dimension` values:
  /// - the names of the data's columns, where the file's header has all of them; what is dropped from the data is
  /// dropped
  ///   from the file, if it is there;
  /// - the names of the columns of conditions, where the file's header has them; the others are the data;
  /// - the places of the data's columns, where the file has as many columns as the data's file and no other names;
  /// - all columns.
  ///
  /// - Throws: `InputError` for a file that has no such rows, and for a column that the data's file does not have.
  func places(in names: ColumnNames, dimension: Int) throws -> ColumnPlaces {
    if let found = try byName(in: names), found.data.count == dimension { return found }
    if columns.conditions != .nothing, names.header != nil || self.names == nil,
      let found = try? TableColumns(conditions: columns.conditions).places(in: names), found.data.count == dimension
    {
      return found
    }
    if let own = self.names, let places, own.count == names.count, places.data.count == dimension {
      let areOthers = own.header != nil && names.header != nil && own.header != names.header
      if !areOthers || own.count == dimension { return places }
      throw InputError(
        "its columns are \(list(names)); those of \(own.path) are \(list(own))", at: names.path)
    }
    // A count that does not fit is the caller's to complain of.
    return ColumnPlaces(data: Array(0..<names.count))
  }

  /// By the names of the data's columns; nil: not all of them are there.
  private func byName(in names: ColumnNames) throws -> ColumnPlaces? {
    guard let own = self.names, let places, let mine = own.header, let theirs = names.header else { return nil }
    func find(_ columns: [Int]) -> [Int]? {
      let found = columns.compactMap { column in
        mine[column].isEmpty ? nil : theirs.firstIndex(of: mine[column])
      }
      return found.count == columns.count && Set(found).count == found.count ? found : nil
    }
    guard let data = find(places.data) else { return nil }
    let known = Set(mine)
    if let other = theirs.first(where: { !known.contains($0) }) {
      throw InputError("has a column '\(other.shown)'; those of \(own.path) are \(list(own))", at: names.path)
    }
    guard let numbers = find(places.numbers), let texts = find(places.texts) else { return ColumnPlaces(data: data) }
    return ColumnPlaces(data: data, numbers: numbers, texts: texts)
  }

  private func list(_ names: ColumnNames) -> String {
    guard let header = names.header else { return "0 to \(names.count - 1)" }
    return header.prefix(20).map(\.shown).joined(separator: ", ") + (header.count > 20 ? ", …" : "")
  }
}
