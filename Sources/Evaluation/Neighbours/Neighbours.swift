// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// The rows of other data that are nearest to each row: exact, blocked, in parallel and in bounded memory.
enum Neighbours {
  /// The nearest rows of other data.
  /// - Parameters:
  ///   - rows: whose neighbours are sought.
  ///   - others: where they are sought.
  ///   - count: how many, at least 1.
  ///   - isOwn: whether both are the same data, and a row is no neighbour of its own.
  ///   - threads: how many may be used; the result does not depend on it.
  /// - Returns: squared distances, rising, rows × count, infinite where there are fewer neighbours; and the neighbours'
  ///   places in `others`, −1 where there are fewer.
  static func nearest(
    _ rows: Batch, in others: TransposedRows, count: Int, isOwn: Bool = false, threads: Int
  ) throws -> (squares: Memory<Double>, places: Memory<Int32>) {
    let squares = Memory(repeating: Double.infinity, count: rows.count * count)
    let places = Memory(repeating: Int32(-1), count: rows.count * count)
    try forEachShard(of: rows, threads: threads) { values, range, _ in
      let start = range.lowerBound * count
      ck_nearest(
        squares.pointer + start, places.pointer + start, values, range.count, rows.dimension, others.values.pointer,
        others.count, others.stride, count, isOwn ? range.lowerBound : -1)
    }
    return (squares, places)
  }

  /// Runs `body` on blocks of 64 rows in parallel, with the block's values, its range, and the worker that runs it.
  static func forEachShard(
    of rows: Batch, threads: Int, _ body: @Sendable (UnsafePointer<Double>, Range<Int>, Int) throws -> Void
  ) throws {
    try rows.values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return }
      let memory = SharedMemory(UnsafeMutablePointer(mutating: base))
      try Shards(rows: rows.count, size: 64).forEach(threads: threads) { _, range, worker in
        try body(UnsafePointer(memory.pointer) + range.lowerBound * rows.dimension, range, worker)
      }
    }
  }
}

extension Comparison {
  /// Values that are not finite are no neighbours of any row, and squares of distances above 10²⁸⁰ may not be finite.
  /// - Throws: `InputError` for such a value, of a sample, a held-out row or a training row.
  func requireFiniteDistances() throws {
    func check(_ batch: Batch, _ name: String) throws {
      guard let place = batch.values.firstIndex(where: { !($0.magnitude <= 1e140) }) else { return }
      throw InputError(
        "\(name) \(place / batch.dimension) has \(batch.values[place]) in column \(place % batch.dimension); allowed: "
          + "values in ±1e140")
    }
    try check(samples, "sample")
    _ = try reference.once("finite distances") {
      try check(heldOut, "held-out row")
      try check(reference.training, "training row")
      return true
    }
  }
}
