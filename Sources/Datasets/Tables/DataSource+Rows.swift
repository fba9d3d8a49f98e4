// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows of a file beside the data's.
public struct GivenRows: Sendable {
  /// The rows, as the data have them.
  public let rows: Batch
  /// `.nothing` where the file has none.
  public let conditions: Conditions
  /// What was guessed, a sentence each.
  public let notes: [String]

  /// Rows with what is known of each, and what was guessed in reading them.
  public init(rows: Batch, conditions: Conditions, notes: [String] = []) {
    self.rows = rows
    self.conditions = conditions
    self.notes = notes
  }

  /// Reads a file by the pattern of the data's.
  init(reading path: String, _ layout: TableLayout, _ format: TableFormat, dimension: Int) throws {
    let table = try Table(reading: path, format: format, asked: layout.columns.conditions.names) {
      try layout.places(in: $0, dimension: dimension)
    }
    rows = table.rows.batch()
    conditions = try layout.columns.conditions.conditions(of: table).conditions
    notes = table.notes
  }
}

extension DataSource {
  public var conditionColumns: ConditionColumns { conditionShape.classCount > 0 ? .label("label") : .nothing }

  public func readRows(_ path: String, dimension: Int, areStates: Bool) throws -> GivenRows {
    let layout = TableLayout(TableColumns(conditions: conditionColumns))
    return try GivenRows(reading: path, layout, .beside(TableFormat(), nil), dimension: dimension)
  }
}
