// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization

/// The values of a function at 0 ..< count, computed in parallel, in order.
func parallelMap(_ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Double) throws -> [Double] {
  let values = Mutex([Double](repeating: 0, count: count))
  try Shards(rows: count, size: 1).forEach(threads: threads) { index, _ in
    let value = try body(index)
    values.withLock { $0[index] = value }
  }
  return values.withLock { $0 }
}

func requireRows(_ samples: Batch, _ heldOut: Batch, atLeast least: Int) throws {
  guard samples.dimension == heldOut.dimension else {
    throw InputError("samples of \(samples.dimension) values against data of \(heldOut.dimension)")
  }
  guard samples.count >= least, heldOut.count >= least else {
    throw InputError("\(samples.count) samples and \(heldOut.count) held-out rows; allowed: \(least) or more of each")
  }
}
