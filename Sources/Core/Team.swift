// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Synchronization

/// Which ranks a thread is one of. A program's main thread is given its ranks once, and what it calls finds them here:
/// training, sampling, metrics. Workers have none, so that what runs on them is never shared among ranks once more.
public enum Team {
  private struct Member {
    let ranks: any Ranks
    /// How many bodies of workers this thread is in.
    var depth = 0
  }

  private static let members = Mutex<[pthread_t: Member]>([:])
  private static let isInUse = Atomic<Bool>(false)

  /// The ranks of this thread; one rank where nobody gave it others, or where it works for a shard.
  public static var current: any Ranks {
    guard isInUse.load(ordering: .relaxed) else { return OneRank.shared }
    let member = members.withLock { $0[pthread_self()] }
    guard let member, member.depth == 0 else { return OneRank.shared }
    return member.ranks
  }

  /// Runs `body` on this thread as one of these ranks.
  public static func with<Result>(_ ranks: any Ranks, _ body: () throws -> Result) rethrows -> Result {
    let before = members.withLock { $0.updateValue(Member(ranks: ranks), forKey: pthread_self()) }
    isInUse.store(true, ordering: .relaxed)
    defer { members.withLock { $0[pthread_self()] = before } }
    return try body()
  }

  /// Runs a worker's body, on a thread that may be one of some ranks.
  static func asWorker(_ body: () -> Void) {
    guard isInUse.load(ordering: .relaxed) else { return body() }
    func deepen(by amount: Int) { members.withLock { $0[pthread_self()]?.depth += amount } }
    deepen(by: 1)
    defer { deepen(by: -1) }
    body()
  }
}
