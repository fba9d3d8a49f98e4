// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The rows of a batch, rounded to floats once.
public struct RowSource: TrainingSource {
  public let count: Int
  public let dimension: Int
  private let values: [Float]

  public init(_ rows: Batch) {
    count = rows.count
    dimension = rows.dimension
    values = rows.values.map { Float($0) }
  }

  public func copy(_ index: Int, variation: SIMD3<Double>, into row: UnsafeMutablePointer<Float>) {
    precondition(index >= 0 && index < count, "no such row")
    values.withUnsafeBufferPointer { row.update(from: $0.baseAddress! + index * dimension, count: dimension) }
  }
}
