// SPDX-License-Identifier: GPL-3.0-or-later
import CRanks
import Core
import Glibc
import Synchronization

/// The ranks of a program that mpirun started.
final class MPIRanks: Ranks {
  let rank, count: Int
  private let counter = Atomic<Int>(0)
  private let tickets = Mutex<(last: Int, open: [Int: SharedMemory<UInt8>])>((0, [:]))

  /// Starts MPI. Once in a program.
  /// - Parameters:
  ///   - arguments: how long a rank may be silent or stand still.
  ///   - threads: those of this rank.
  /// - Throws: `InputError` where it cannot be started.
  init(_ arguments: RankArguments, threads: Int) throws {
    var (rank, count, message) = (Int32(0), Int32(0), [CChar](repeating: 0, count: 256))
    var setting = cr_setting(
      timeout: arguments.timeout, stall: arguments.stall, threads: Int32(threads), progress: { Pulse.count },
      before_end: { line in
        let text = line.map { String(cString: $0) } ?? ""
        if !text.isEmpty { StandardStreams.report("score-sde: \(text.inOneLine)\n") }
        AtomicFile.removeUnfinished()
      },
      on_signal: { StopSignals.request($0) })
    guard cr_begin(&setting, &rank, &count, &message, message.count) == 0 else {
      let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw InputError(text, at: "mpirun")
    }
    (self.rank, self.count) = (Int(rank), Int(count))
  }

  func post(_ transfers: [Transfer]) -> Int {
    let parts = transfers.map {
      cr_transfer(
        peer: Int32($0.peer), tag: Int32($0.tag), sends: $0.isSent ? 1 : 0, bytes: $0.bytes.baseAddress,
        size: $0.bytes.count)
    }
    let ticket = SharedMemory(cr_post(parts, Int32(parts.count))!.assumingMemoryBound(to: UInt8.self))
    return tickets.withLock { tickets in
      tickets.last += 1
      tickets.open[tickets.last] = ticket
      return tickets.last
    }
  }

  func wait(_ ticket: Int) {
    let open = tickets.withLock { $0.open.removeValue(forKey: ticket) }
    if let open { cr_wait(open.pointer) }
  }

  func memory(bytes: Int) -> RankMemory {
    let (first, next) = (nextTag(.memory), nextTag(.memory))
    var views = [UnsafeMutableRawPointer?](repeating: nil, count: count)
    guard cr_share(bytes, Int32(first), Int32(next), &views) == 0 else {
      // The others wait for this rank in the same call, so that nothing can be thrown from here.
      let line = "no memory for the \(bytes) bytes that ranks share"
      if rank == 0 { StandardStreams.report("score-sde: \(line)\n") }
      AtomicFile.removeUnfinished()
      cr_finish(1, line)
      exit(1)
    }
    let made = views
    return RankMemory(made, rank: rank) { cr_unshare(bytes, made) }
  }

  func nextTag(_ use: TransferUse) -> Int {
    use.rawValue << 14 | counter.add(1, ordering: .relaxed).oldValue & 0x3fff
  }
}
