// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The values of a function at 0 ..< count, computed in parallel and on all ranks, in order.
func parallelMap<Value: Codable & Sendable>(
  _ count: Int, threads: Int, _ body: @Sendable (Int) throws -> Value
) throws -> [Value] {
  try Team.current.map(count, threads: threads, body)
}
