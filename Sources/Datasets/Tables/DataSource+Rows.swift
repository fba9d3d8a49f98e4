// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension DataSource {
  public var conditionColumns: ConditionColumns { conditionShape.classCount > 0 ? .label("label") : .nothing }

  /// Rows of a file like the data's own, and their conditions where the file has the columns for them.
  /// - Parameters:
  ///   - path: a CSV file.
  ///   - dimension: how many values a row has.
  /// - Returns: the rows, of which the caller checks the dimension, and `.nothing` where the file has no conditions.
  /// - Throws: `InputError` at file and line for what is no table of finite numbers.
  public func readRows(_ path: String, dimension: Int) throws -> (rows: Batch, conditions: Conditions) {
    if conditionColumns != .nothing, let read = try? conditionColumns.read(path), read.data.dimension == dimension {
      return (read.data, read.conditions)
    }
    return (try NumericTable(reading: path).values, .nothing)
  }
}
