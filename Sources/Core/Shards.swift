// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Dispatch
import Glibc
import Synchronization

/// Rows cut into fixed blocks by row index, whatever the number of threads: the one place where work becomes parallel.
public struct Shards: Sendable {
  /// The block size of solvers and scores.
  public static let rows = 256

  /// The default number of threads: one per processor.
  public static let processors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// How many threads the worker that asks may use, itself included: more than one where there are fewer shards than
  /// threads. What is computed must not depend on it.
  public static var lent: Int { Int(ck_lent_threads()) }

  /// How many rows there are in all.
  public let rowCount: Int
  /// How many rows a shard has; the last one may have fewer.
  public let size: Int

  /// Cuts so many rows into shards of `size`.
  /// - Precondition: `size` > 0.
  public init(rows: Int, size: Int = Shards.rows) {
    precondition(size > 0)
    rowCount = rows
    self.size = size
  }

  /// How many shards there are.
  public var count: Int { (rowCount + size - 1) / size }

  /// The rows of a shard, from 0.
  public func range(_ shard: Int) -> Range<Int> {
    shard * size..<min((shard + 1) * size, rowCount)
  }

  /// Runs `body` once per shard on up to `threads` workers; each worker carries a shard from its first step to its
  /// last.
  ///
  /// All shards are finished before the error of the lowest failing one is thrown, so that an outcome never depends on
  /// timing. When a signal asks for an end, the shards that have not begun are left, and that is what is thrown.
  public func forEach(threads: Int, _ body: @Sendable (_ shard: Int, _ rows: Range<Int>) throws -> Void) throws {
    try forEach(threads: threads) { shard, rows, _ in try body(shard, rows) }
  }

  /// Runs `body` once per shard, and tells it which of the `threads` workers runs it, for a workspace that outlives the
  /// call. What is computed must not depend on the worker.
  public func forEach(
    threads: Int, _ body: @Sendable (_ shard: Int, _ rows: Range<Int>, _ worker: Int) throws -> Void
  ) throws {
    let next = Atomic<Int>(0)
    let failure = Mutex<(shard: Int, error: any Error)?>(nil)
    let total = count
    let workers = min(max(1, threads), total)
    @Sendable func work(_ worker: Int) {
      ck_enter_worker()
      let own = ck_lend_threads(Int32(max(1, threads / max(1, workers))))
      defer { _ = ck_lend_threads(own) }
      StopSignals.blocked {
        Team.asWorker {
          while true {
            let shard = next.add(1, ordering: .relaxed).oldValue
            if shard >= total { return }
            do {
              try StopSignals.check()
              try body(shard, range(shard), worker)
              Pulse.beat()
            } catch {
              failure.withLock { if $0 == nil || shard < $0!.shard { $0 = (shard, error) } }
            }
          }
        }
      }
    }
    if workers <= 1 {
      work(0)
    } else {
      DispatchQueue.concurrentPerform(iterations: workers) { work($0) }
    }
    // Shards that ended early are no outcome, whatever they made of it.
    try StopSignals.check()
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }
}
