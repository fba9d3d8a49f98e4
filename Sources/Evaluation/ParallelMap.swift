// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization

/// The values of a function at 0 ..< count, computed in parallel, in order.
func parallelMap<Value: Sendable>(
  _ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Value
) throws -> [Value] {
  let values = Mutex([Value?](repeating: nil, count: count))
  try Shards(rows: count, size: 1).forEach(threads: threads) { index, _ in
    let value = try body(index)
    values.withLock { $0[index] = value }
  }
  return values.withLock { $0.compactMap { $0 } }
}
