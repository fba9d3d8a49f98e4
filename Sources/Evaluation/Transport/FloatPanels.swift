// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc

/// Rows in float, as they are and in panels of 32, for sums of exponentials over pairs.
final class FloatPanels: @unchecked Sendable {
  private static let width = 32
  private static let blockRows = 60
  private static let blockColumns = 512

  let count: Int
  private let dimension: Int
  private let rows, panels: UnsafeMutablePointer<Float>

  /// The rows (x − centre)/scale.
  convenience init(_ batch: Batch, centre: [Double], scale: Double) {
    self.init(count: batch.count, dimension: batch.dimension) { i, d in
      Float((batch[i, d] - centre[d]) / scale)
    }
  }

  private init(count: Int, dimension: Int, _ value: (_ row: Int, _ column: Int) -> Float) {
    (self.count, self.dimension) = (count, dimension)
    let padded = (count + Self.width - 1) / Self.width * Self.width
    rows = .allocate(capacity: count * dimension)
    panels = .allocate(capacity: padded * dimension)
    panels.initialize(repeating: 0, count: padded * dimension)
    for i in 0..<count {
      let place = panels + i / Self.width * Self.width * dimension + i % Self.width
      for d in 0..<dimension {
        let value = value(i, d)
        rows[i * dimension + d] = value
        place[d * Self.width] = value
      }
    }
  }

  /// The even rows, or the odd ones.
  func half(_ odd: Int) -> FloatPanels {
    FloatPanels(count: (count + 1 - odd) / 2, dimension: dimension) { i, d in
      rows[(2 * i + odd) * dimension + d]
    }
  }

  deinit {
    rows.deallocate()
    panels.deallocate()
  }

  /// −ε ln Σ_j exp((g_j − ‖x_i − y_j‖²)/ε)/m for each row x_i of this and the m rows y_j of the other.
  func softMinimum(_ other: FloatPanels, _ g: [Double], epsilon: Double, threads: Int) throws -> [Double] {
    let weight = -Double(other.count).logarithm
    let offsets = g.map { Float($0 / epsilon + weight) }
    var largest = [Double](repeating: -.infinity, count: count)
    var sums = [Double](repeating: 0, count: count)
    try largest.withSharedMemory { largest in
      try sums.withSharedMemory { sums in
        try Shards(rows: count, size: Self.blockRows).forEach(threads: threads) { _, range in
          withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.blockRows * Self.blockColumns) { block in
            let block = block.baseAddress!
            for column in stride(from: 0, to: other.count, by: Self.blockColumns) {
              let columns = min(Self.blockColumns, other.count - column)
              ck_squared_distances_float(
                block, Self.blockColumns, rows + range.lowerBound * dimension, range.count, dimension,
                other.panels + column * dimension, (columns + Self.width - 1) / Self.width)
              offsets.withUnsafeBufferPointer {
                ck_merge_exponentials(
                  largest.pointer + range.lowerBound, sums.pointer + range.lowerBound, block, Self.blockColumns,
                  range.count, columns, Float(1 / epsilon), $0.baseAddress! + column)
              }
            }
          }
        }
      }
    }
    return zip(largest, sums).map { -epsilon * ($0 + $1.logarithm) }
  }
}

extension Double {
  /// ln x
  var logarithm: Double { Glibc.log(self) }
}
