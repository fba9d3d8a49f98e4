// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The rows of a batch, rounded to floats once.
public struct RowSource: TrainingSource {
  private let rows: Batch
  private let floats: [Float]

  public init(_ rows: Batch) {
    self.rows = rows
    floats = rows.values.map { Float($0) }
  }

  public var count: Int { rows.count }
  public var dimension: Int { rows.dimension }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>) {
    precondition(index >= 0 && index < count, "no such row")
    floats.withUnsafeBufferPointer { row.update(from: $0.baseAddress! + index * dimension, count: dimension) }
  }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    precondition(index >= 0 && index < count, "no such row")
    rows.values.withUnsafeBufferPointer { row.update(from: $0.baseAddress! + index * dimension, count: dimension) }
  }
}
