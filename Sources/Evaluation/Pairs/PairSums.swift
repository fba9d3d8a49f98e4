// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Sums of a kernel k(x, y) over all pairs of rows, computed in blocks: memory grows with the rows, not with the pairs.
struct PairSums: Sendable {
  /// The kernel of a pair.
  enum Kernel: Sendable {
    /// ‖x − y‖
    case distance
    /// The mean of exp(−a d), exp(−4 a d), … exp(−256 a d) with d = ‖x − y‖².
    case gaussians(Double)
    /// (a ⟨x, y⟩ + 1)³
    case cubic(Double)
  }

  /// Σ_j k(x_i, y_j)
  var rows: [Double]
  /// Σ_i k(x_i, y_j)
  var columns: [Double]
  /// Σ_ij k(x_i, y_j)²
  var squares: Double

  /// - Throws: `ComputationError.stopped`.
  init(_ x: Batch, _ y: Panels, _ kernel: Kernel, threads: Int) throws {
    let shards = Panels.shards(rows: x.count)
    let (quantity, function, scale): (Panels.Quantity, ck_pair_kernel, Double) =
      switch kernel {
      case .distance: (.squaredDistances, CK_DISTANCE, 0)
      case .gaussians(let scale): (.squaredDistances, CK_GAUSSIANS, scale)
      case .cubic(let scale): (.products, CK_CUBIC, scale)
      }
    let count = y.count
    var rowSums = [Double](repeating: 0, count: x.count)
    var columnSums = [Double](repeating: 0, count: shards.count * count)
    var squareSums = [Double](repeating: 0, count: shards.count)
    try x.values.withUnsafeBufferPointer { values in
      let values = SharedMemory(UnsafeMutablePointer(mutating: values.baseAddress!))
      try rowSums.withSharedMemory { rows in
        try columnSums.withSharedMemory { columns in
          try squareSums.withSharedMemory { squares in
            try shards.forEach(threads: threads) { shard, range in
              y.forEachBlock(values.pointer, range, quantity) { block in
                squares.pointer[shard] += ck_pair_sums(
                  block.values, block.stride, block.rows, block.columns, function, scale,
                  rows.pointer + block.firstRow, columns.pointer + shard * count + block.firstColumn)
              }
            }
          }
        }
      }
    }
    rows = rowSums
    columns = [Double](repeating: 0, count: count)
    for shard in 0..<shards.count { for j in 0..<count { columns[j] += columnSums[shard * count + j] } }
    squares = squareSums.reduce(0, +)
  }
}

extension Array where Element: Sendable {
  /// The elements for several workers, each of which writes in its own part.
  mutating func withSharedMemory<R>(_ body: (SharedMemory<Element>) throws -> R) rethrows -> R {
    try withUnsafeMutableBufferPointer { buffer in
      // An empty array may have no base address; nobody writes there.
      try body(SharedMemory(buffer.baseAddress ?? UnsafeMutablePointer(bitPattern: 64)!))
    }
  }
}
