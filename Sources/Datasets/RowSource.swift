// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows as they are, rounded to floats where floats are asked for.
public struct RowSource: TrainingSource {
  private let rows: any DataRows

  /// The rows as items to train on.
  public init(_ rows: any DataRows) { self.rows = rows }

  public var count: Int { rows.count }
  public var dimension: Int { rows.dimension }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: dimension) { values in
      guard let doubles = values.baseAddress else { return }
      copy(index, variation: variation, into: doubles)
      for j in 0..<dimension { row[j] = Float(doubles[j]) }
    }
  }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    precondition(index >= 0 && index < count, "no such row")
    rows.write(index..<index + 1, into: row)
  }
}
