// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows of a CSV file. Row i is held out when i mod 6 = 5, as for the digits.
public struct CSVData: DataSource {
  private let table: NumericTable
  public let imageShape: ImageShape?

  /// - Parameter shape: for images, whose values the caller has put into [−1, 1].
  public init(path: String, shape: ImageShape? = nil) throws {
    table = try NumericTable(reading: path)
    imageShape = shape
    if let shape, shape.count != table.values.dimension {
      throw InputError(
        "rows of \(table.values.dimension) values cannot be \(shape.height) × \(shape.width) × \(shape.channels) images",
        at: path)
    }
    guard table.values.count >= 6 else { throw InputError("\(table.values.count) rows; allowed: 6 or more", at: path) }
  }

  public var dimension: Int { table.values.dimension }
  public var fingerprint: String { table.fingerprint }

  public func load(seed: UInt64) throws -> Dataset {
    let split = HeldOut.split(table.values.count)
    func rows(_ indices: [Int]) -> Batch {
      Batch(values: indices.flatMap { table.values.row($0) }, dimension: dimension)
    }
    return Dataset(training: rows(split.training), heldOut: rows(split.heldOut))
  }
}
