// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization
import Testing

@Suite struct ShardsTests {
  @Test(arguments: [0, 1, 255, 256, 257, 1000], [1, 2, 5])
  func everyRowIsVisitedOnce(rows: Int, threads: Int) throws {
    let visits = Mutex([Int](repeating: 0, count: rows))
    try Shards(rows: rows).forEach(threads: threads) { shard, range in
      #expect(range.lowerBound == shard * Shards.rows && range.count <= Shards.rows)
      visits.withLock { for row in range { $0[row] += 1 } }
    }
    #expect(visits.withLock { $0.allSatisfy { $0 == 1 } })
  }

  @Test(arguments: [1, 2, 5]) func theErrorOfTheLowestShardIsThrownAfterAllAreDone(_ threads: Int) throws {
    let done = Atomic<Int>(0)
    #expect(throws: InputError("shard 3")) {
      try Shards(rows: 90, size: 10).forEach(threads: threads) { shard, _ in
        done.add(1, ordering: .relaxed)
        if shard == 3 || shard == 4 || shard == 8 { throw InputError("shard \(shard)") }
      }
    }
    #expect(done.load(ordering: .relaxed) == 9)
  }

  @Test("every shard that is done is a sign that the program gets on") func pulse() throws {
    let before = Pulse.count
    try Shards(rows: 90, size: 10).forEach(threads: 2) { _, _ in }
    #expect(Pulse.count >= before + 9)
  }

  @Test(arguments: [1, 2, 5]) func workersAreNumberedBelowTheThreads(_ threads: Int) throws {
    try Shards(rows: 100, size: 3).forEach(threads: threads) { _, _, worker in
      #expect((0..<threads).contains(worker))
    }
  }

  @Test(arguments: [2, 5]) func resultsDoNotDependOnThreads(_ threads: Int) throws {
    func fill(_ threads: Int) throws -> Batch {
      var batch = Batch(count: 1000, dimension: 3)
      let stream = NoiseStream(seed: 1, purpose: .data)
      try batch.forEachShard(of: 64, threads: threads) { stream.normals(into: $0, step: 0) }
      return batch
    }
    #expect(try fill(threads) == fill(1))
    #expect(try fill(threads) == NoiseStream(seed: 1, purpose: .data).normals(count: 1000, dimension: 3))
  }

  @Test("threads beyond the shards are lent to the workers", arguments: [(1, 4, 4), (2, 5, 2), (3, 3, 1), (7, 2, 1)])
  func lent(shards: Int, threads: Int, each: Int) throws {
    #expect(Shards.lent == 1)
    try Shards(rows: shards, size: 1).forEach(threads: threads) { _, _ in
      #expect(Shards.lent == each)
      // What a worker lends on is its own.
      try Shards(rows: each, size: 1).forEach(threads: Shards.lent) { _, _ in #expect(Shards.lent == 1) }
      #expect(Shards.lent == each)
    }
    #expect(Shards.lent == 1)
  }

  @Test func anEmptyBatchHasNoShards() throws {
    var batch = Batch(count: 0, dimension: 2)
    try batch.forEachShard(threads: 2) { _ in Issue.record("a shard of no rows") }
    #expect(batch.prefix(5).count == 0)
  }
}
