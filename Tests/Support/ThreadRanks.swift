// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Dispatch
import Foundation
import Synchronization

/// Ranks that are threads of one process and share its memory: what programs under MPI do, without MPI.
public final class ThreadRanks: Ranks {
  public let rank, count: Int
  private let machines: [Int]
  private let post: Post
  private let counter = Atomic<Int>(0)
  private let tickets = Mutex<(last: Int, open: [Int: [Transfer]])>((0, [:]))

  /// Where bytes lie until somebody takes them.
  private final class Post: @unchecked Sendable {
    struct Address: Hashable { let from, to, tag: Int }
    private let condition = NSCondition()
    private var letters: [Address: [[UInt8]]] = [:]
    /// How many bytes went, for those who count them.
    private var carried = 0
    /// What ranks see of each other lasts as long as all of them.
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { for block in blocks { block.deallocate() } }

    func block(_ bytes: Int) -> UnsafeMutableRawPointer {
      condition.lock()
      defer { condition.unlock() }
      blocks.append(.allocate(byteCount: max(1, bytes), alignment: 64))
      return blocks.last!
    }

    func put(_ bytes: [UInt8], at address: Address) {
      condition.lock()
      letters[address, default: []].append(bytes)
      carried += bytes.count
      condition.broadcast()
      condition.unlock()
    }

    func take(at address: Address) -> [UInt8] {
      condition.lock()
      defer { condition.unlock() }
      let deadline = Date(timeIntervalSinceNow: 60)
      while letters[address]?.isEmpty ?? true {
        precondition(condition.wait(until: deadline), "rank \(address.to) waits for nothing: \(address)")
      }
      return letters[address]!.removeFirst()
    }

    var total: Int {
      condition.lock()
      defer { condition.unlock() }
      return carried
    }
  }

  private init(_ rank: Int, _ machines: [Int], _ post: Post) {
    (self.rank, self.count, self.machines, self.post) = (rank, machines.count, machines, post)
  }

  /// Runs `body` once as each of `count` ranks.
  /// - Parameter machines: the number of each rank's machine; nil: each has its own.
  /// - Returns: what each came to, and how many bytes went between them.
  public static func run<Value: Sendable>(
    _ count: Int, machines: [Int]? = nil, _ body: @escaping @Sendable (any Ranks) throws -> Value
  ) -> (values: [Result<Value, any Error>], bytes: Int) {
    let post = Post()
    let results = Mutex([Result<Value, any Error>?](repeating: nil, count: count))
    let group = DispatchGroup()
    for rank in 0..<count {
      group.enter()
      Thread.detachNewThread {
        let ranks = ThreadRanks(rank, machines ?? Array(0..<count), post)
        let result = Result { try Team.with(ranks) { try body(ranks) } }
        results.withLock { $0[rank] = result }
        group.leave()
      }
    }
    group.wait()
    return (results.withLock { $0.compactMap { $0 } }, post.total)
  }

  public func post(_ transfers: [Transfer]) -> Int {
    for transfer in transfers where transfer.isSent {
      post.put([UInt8](transfer.bytes), at: .init(from: rank, to: transfer.peer, tag: transfer.tag))
    }
    return tickets.withLock { tickets in
      tickets.last += 1
      tickets.open[tickets.last] = transfers.filter { !$0.isSent }
      return tickets.last
    }
  }

  public func wait(_ ticket: Int) {
    for transfer in tickets.withLock({ $0.open.removeValue(forKey: ticket) }) ?? [] {
      let bytes = post.take(at: .init(from: transfer.peer, to: rank, tag: transfer.tag))
      precondition(bytes.count == transfer.bytes.count, "ranks that no longer do the same")
      transfer.bytes.copyBytes(from: bytes)
    }
  }

  public func memory(bytes: Int) -> RankMemory {
    let tag = nextTag(.memory)
    let near = others.filter { machines[$0] == machines[rank] }
    var places = [Int](repeating: 0, count: count)
    places[rank] = Int(bitPattern: post.block(bytes))
    places.withUnsafeMutableBytes { memory in
      let width = MemoryLayout<Int>.size
      func place(_ rank: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[rank * width..<(rank + 1) * width])
      }
      exchange(
        near.flatMap {
          [.send(UnsafeRawBufferPointer(place(rank)), to: $0, tag: tag), .receive(place($0), from: $0, tag: tag)]
        })
    }
    // It stays as long as any of the ranks does.
    return RankMemory(places.map { UnsafeMutableRawPointer(bitPattern: $0) }, rank: rank) {}
  }

  public func nextTag(_ use: TransferUse) -> Int {
    use.rawValue << 14 | counter.add(1, ordering: .relaxed).oldValue & 0x3fff
  }
}
