// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Rows in panels of 16, value by value, as the kernels of pairs read them.
final class Panels: @unchecked Sendable {
  static let width = 16
  /// How many rows and how many columns of a block there are at most: a block is 128 KiB, and stays in a core's cache.
  static let blockRows = 60
  static let blockColumns = 256

  let count: Int
  let dimension: Int
  private let values: UnsafeMutablePointer<Double>

  init(_ batch: Batch) {
    (count, dimension) = (batch.count, batch.dimension)
    let size = (count + Self.width - 1) / Self.width * Self.width * dimension
    values = .allocate(capacity: max(1, size))
    values.initialize(repeating: 0, count: size)
    batch.values.withUnsafeBufferPointer { rows in
      for i in 0..<count {
        let place = values + i / Self.width * Self.width * dimension + i % Self.width
        for d in 0..<dimension { place[d * Self.width] = rows[i * dimension + d] }
      }
    }
  }

  deinit { values.deallocate() }

  /// What a block holds.
  enum Quantity { case squaredDistances, products }

  /// A block of numbers: `rows` rows from `firstRow` on of one side, `columns` from `firstColumn` on of the panels.
  struct Block {
    let values: UnsafePointer<Double>
    let stride, firstRow, rows, firstColumn, columns: Int
  }

  /// Hands over all blocks between some rows and the panels: for each `blockRows` rows, columns from left to right.
  /// - Parameters:
  ///   - x: whose rows.
  ///   - range: which of them.
  ///   - quantity: of each pair of rows.
  func forEachBlock(
    _ x: UnsafePointer<Double>, _ range: Range<Int>, _ quantity: Quantity = .squaredDistances,
    _ body: (Block) throws -> Void
  ) rethrows {
    try withUnsafeTemporaryAllocation(of: Double.self, capacity: Self.blockRows * Self.blockColumns) { block in
      let memory = block.baseAddress!
      for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockRows) {
        let rows = min(Self.blockRows, range.upperBound - first)
        for column in stride(from: 0, to: count, by: Self.blockColumns) {
          let columns = min(Self.blockColumns, count - column)
          let panels = (columns + Self.width - 1) / Self.width
          let (left, right) = (x + first * dimension, values + column * dimension)
          switch quantity {
          case .squaredDistances:
            ck_squared_distances(memory, Self.blockColumns, left, rows, dimension, right, panels)
          case .products: ck_products(memory, Self.blockColumns, left, rows, dimension, right, panels)
          }
          try body(
            Block(
              values: memory, stride: Self.blockColumns, firstRow: first, rows: rows, firstColumn: column,
              columns: columns))
        }
      }
    }
  }

  /// ⟨x, y⟩ of some rows and a single panel, which a block need not hold: rows × 16.
  func products(_ x: UnsafePointer<Double>, rows: Int, into out: UnsafeMutablePointer<Double>) {
    precondition(count <= Self.width)
    ck_products(out, Self.width, x, rows, dimension, values, 1)
  }

  /// How rows are cut for work over all pairs: by their number alone, into at most 64 parts, so that what each part
  /// adds up for every column stays in bounded memory.
  static func shards(rows: Int) -> Shards {
    Shards(rows: rows, size: max(blockRows, (rows + 63) / 64))
  }
}

extension Reference {
  /// The held-out rows in panels, for all metrics that compare pairs.
  var panels: Panels { once("panels") { Panels(heldOut) } }
}
