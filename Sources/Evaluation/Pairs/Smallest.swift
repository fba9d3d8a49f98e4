// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// For each row x the rows y with the smallest ‖x − y‖² − offset(y), nearest first: neighbours where there are no
/// offsets.
struct Smallest: Sendable {
  /// How many there are for a row; at most as many as rows of y.
  let count: Int
  /// rows × count, in rising order.
  let values: [Double]
  /// Which rows y they are.
  let indices: [Int32]

  /// - Throws: `ComputationError.stopped`.
  init(_ x: Batch, _ y: Panels, count wanted: Int, offsets: [Double]?, threads: Int) throws {
    let count = min(wanted, y.count)
    self.count = count
    var values = [Double](repeating: .infinity, count: x.count * count)
    var indices = [Int32](repeating: -1, count: x.count * count)
    try x.values.withUnsafeBufferPointer { rows in
      let rows = SharedMemory(UnsafeMutablePointer(mutating: rows.baseAddress!))
      try values.withSharedMemory { values in
        try indices.withSharedMemory { indices in
          try Panels.shards(rows: x.count).forEach(threads: threads) { _, range in
            y.forEachBlock(rows.pointer, range) { block in
              let place = block.firstRow * count
              func merge(_ offsets: UnsafePointer<Double>?) {
                ck_merge_smallest(
                  values.pointer + place, indices.pointer + place, count, block.values, block.stride, block.rows,
                  block.columns, offsets, block.firstColumn)
              }
              if let offsets {
                offsets.withUnsafeBufferPointer { merge($0.baseAddress! + block.firstColumn) }
              } else {
                merge(nil)
              }
            }
          }
        }
      }
    }
    (self.values, self.indices) = (values, indices)
  }

  /// The smallest value of each row.
  var firsts: [Double] { stride(from: 0, to: values.count, by: count).map { values[$0] } }

  /// Those of a row, nearest first.
  func of(_ row: Int) -> [(index: Int, value: Double)] {
    (row * count..<(row + 1) * count).map { (Int(indices[$0]), values[$0]) }
  }
}
