// SPDX-License-Identifier: GPL-3.0-or-later

/// Processes that share one computation, numbered from 0: what a program is told of them, whatever carries their bytes.
///
/// All ranks run the same program and come to the same calls in the same order. What is computed must not depend on how
/// many they are: parts are numbered, and whoever has all parts puts them together in the order of their numbers. A
/// rank that is lost ends the program, so that no call here can fail.
public protocol Ranks: AnyObject, Sendable {
  /// From 0. Rank 0 alone writes files and takes decisions that depend on time, signals or what is on the disk.
  var rank: Int { get }
  /// How many ranks there are.
  var count: Int { get }
  /// Begins transfers, whose memory stays in use until `wait` has returned. May be called from any worker.
  /// - Returns: a ticket.
  func post(_ transfers: [Transfer]) -> Int
  /// Waits until all transfers of a ticket are done.
  func wait(_ ticket: Int)
  /// A tag that nothing else has now, the same on all ranks.
  func nextTag(_ use: TransferUse) -> Int
  /// Memory that ranks of one machine see in place. All ranks ask for it at the same point.
  func memory(bytes: Int) -> RankMemory
}

/// What a transfer is for. Ranks that would no longer do the same are found by it.
public enum TransferUse: Int, Sendable {
  /// A decision or a value of rank 0.
  case decision = 1
  /// A state with which a training goes on.
  case state
  /// The gradient of a lane.
  case lane
  /// Squares of a gradient's values.
  case squares
  /// Parameters after a step.
  case parameters
  /// Rows of a batch.
  case rows
  /// Values that each rank has computed some of.
  case values
  /// Memory that others see in place.
  case memory
}

/// Memory that goes to a rank or comes from one.
public struct Transfer: @unchecked Sendable {
  /// The other rank.
  public let peer: Int
  /// Both sides have the same.
  public let tag: Int
  /// Whether it goes there.
  public let isSent: Bool
  /// The memory.
  public let bytes: UnsafeMutableRawBufferPointer

  /// Memory that goes to a rank.
  public static func send(_ bytes: UnsafeRawBufferPointer, to peer: Int, tag: Int) -> Transfer {
    Transfer(peer: peer, tag: tag, isSent: true, bytes: UnsafeMutableRawBufferPointer(mutating: bytes))
  }

  /// Memory that a rank's bytes come to.
  public static func receive(_ bytes: UnsafeMutableRawBufferPointer, from peer: Int, tag: Int) -> Transfer {
    Transfer(peer: peer, tag: tag, isSent: false, bytes: bytes)
  }
}

/// The only rank there is.
public final class OneRank: Ranks {
  /// It has no state.
  public static let shared = OneRank()
  /// 0
  public let rank = 0
  /// 1
  public let count = 1
  /// There is nobody to send to.
  public func post(_ transfers: [Transfer]) -> Int { 0 }
  /// Returns at once.
  public func wait(_ ticket: Int) {}
  /// Any tag will do.
  public func nextTag(_ use: TransferUse) -> Int { 0 }
  /// Nobody else is to see it.
  public func memory(bytes: Int) -> RankMemory { RankMemory(alone: bytes) }
}

extension Ranks {
  /// Whether this is rank 0.
  public var isRoot: Bool { rank == 0 }

  /// The other ranks.
  public var others: [Int] { (0..<count).filter { $0 != rank } }

  /// The part of `total` numbered things that a rank has: consecutive ones, in the order of ranks.
  public func part(of total: Int, rank: Int) -> Range<Int> { rank * total / count..<(rank + 1) * total / count }

  /// The rows that a rank has of so many shards.
  public func rows(of shards: Shards, rank: Int) -> Range<Int> {
    let part = part(of: shards.count, rank: rank)
    return min(part.lowerBound * shards.size, shards.rowCount)..<min(part.upperBound * shards.size, shards.rowCount)
  }

  /// Carries transfers out.
  public func exchange(_ transfers: [Transfer]) { wait(post(transfers)) }

  /// Gives all ranks the bytes of rank 0.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, _ use: TransferUse) {
    if count == 1 { return }
    let tag = nextTag(use)
    exchange(
      isRoot
        ? others.map { .send(UnsafeRawBufferPointer(bytes), to: $0, tag: tag) }
        : [.receive(bytes, from: 0, tag: tag)])
  }

  /// Gives all ranks all parts of a memory of which each rank has written its own.
  /// - Parameters:
  ///   - memory: as large on all ranks.
  ///   - use: what the bytes are.
  ///   - part: the bytes that a rank has written, by their places.
  public func gather(_ memory: UnsafeMutableRawPointer, _ use: TransferUse, part: (_ rank: Int) -> Range<Int>) {
    if count == 1 { return }
    exchange(gathering(memory, tag: nextTag(use), part: part))
  }

  /// The transfers of `gather`, for those who have others beside them.
  public func gathering(
    _ memory: UnsafeMutableRawPointer, tag: Int, part: (_ rank: Int) -> Range<Int>
  ) -> [Transfer] {
    func bytes(_ rank: Int) -> UnsafeMutableRawBufferPointer {
      UnsafeMutableRawBufferPointer(start: memory + part(rank).lowerBound, count: part(rank).count)
    }
    let own = UnsafeRawBufferPointer(bytes(rank))
    return others.flatMap { peer -> [Transfer] in
      (own.isEmpty ? [] : [.send(own, to: peer, tag: tag)])
        + (part(peer).isEmpty ? [] : [.receive(bytes(peer), from: peer, tag: tag)])
    }
  }
}
