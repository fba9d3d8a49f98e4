// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows of a CSV file. Row i is held out when i mod 6 = 5, as for the digits.
public struct CSVData: DataSource {
  public let imageShape: ImageShape?
  public let conditionShape: ConditionShape
  public let conditionColumns: ConditionColumns
  public let fingerprint: String
  private let rows: Batch
  private let conditions: Conditions

  /// Reads a file.
  /// - Parameters:
  ///   - path: the file.
  ///   - shape: for images, whose values the caller has put into [−1, 1].
  ///   - columns: the columns that hold the conditions of the rows; the others are the data.
  /// - Throws: `InputError` at file and line for a file that is no such table, or has fewer than 6 rows.
  public init(path: String, shape: ImageShape? = nil, conditions columns: ConditionColumns = .nothing) throws {
    (rows, conditions, conditionShape, fingerprint) = try columns.read(path)
    conditionColumns = columns
    imageShape = shape
    if let shape, shape.count != rows.dimension {
      throw InputError(
        "rows of \(rows.dimension) values cannot be \(shape.height) × \(shape.width) × \(shape.channels) images",
        at: path)
    }
    guard rows.count >= 6 else { throw InputError("\(rows.count) rows; allowed: 6 or more", at: path) }
  }

  public var dimension: Int { rows.dimension }

  public func load(seed: UInt64) throws -> Dataset {
    let split = HeldOut.split(rows.count)
    return Dataset(
      training: rows.only(split.training), heldOut: rows.only(split.heldOut),
      trainingConditions: conditions.only(split.training), heldOutConditions: conditions.only(split.heldOut))
  }
}
