// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Which columns of a table are the data, and which hold the conditions of its rows. Columns are named by the header,
/// or by their numbers from 0.
public struct TableColumns: Sendable, Equatable {
  /// The columns of the data, in this order; nil: all that are neither dropped nor conditions.
  public var columns: [String]?
  /// Columns that are left out. They may hold anything.
  public var drop: [String]
  /// The columns of conditions.
  public var conditions: ConditionColumns

  /// Columns by their names, or by their numbers from 0.
  /// - Parameters:
  ///   - columns: those of the data; nil: all that are left.
  ///   - drop: those that are left out.
  ///   - conditions: those of conditions.
  /// - Precondition: columns are taken or left out, not both.
  public init(columns: [String]? = nil, drop: [String] = [], conditions: ConditionColumns = .nothing) {
    precondition(columns == nil || drop.isEmpty, "the columns that are left out follow from those that are taken")
    self.columns = columns
    self.drop = drop
    self.conditions = conditions
  }

  /// All names that must be there.
  var names: [String] { (columns ?? []) + drop + conditions.numbers + conditions.texts }

  /// The places of the columns in a table.
  /// - Throws: `InputError` for a column that is not there or is named twice, and where none is left for the data.
  func places(in names: ColumnNames) throws -> ColumnPlaces {
    let all = try names.indices(self.names)
    let given = columns?.count ?? 0
    let dropped = all[given..<given + drop.count]
    let conditions = all[(given + drop.count)...]
    var data = Array(all[..<given])
    if columns == nil {
      let others = Set(all)
      data = (0..<names.count).filter { !others.contains($0) }
    }
    guard !data.isEmpty else { throw InputError("no column is left for the data", at: names.path) }
    _ = dropped
    let texts = self.conditions.texts.count
    return ColumnPlaces(
      data: data, numbers: Array(conditions.dropLast(texts)), texts: Array(conditions.suffix(texts)))
  }
}

/// The places of columns in a file, from 0.
struct ColumnPlaces: Sendable, Equatable {
  /// The columns of the data.
  var data: [Int]
  /// The columns of conditions that are classes or numbers.
  var numbers: [Int] = []
  /// The columns of conditions that are texts.
  var texts: [Int] = []
}
