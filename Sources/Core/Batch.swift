// SPDX-License-Identifier: GPL-3.0-or-later
import Synchronization

/// `count` points of `dimension` doubles, row-major. An image row is flattened height, width, channel.
public struct Batch: Sendable, Equatable {
  /// All values, row after row: `count` × `dimension`.
  public var values: [Double]
  /// How many rows there are.
  public private(set) var count: Int
  /// How many values a row has; at least 1.
  public let dimension: Int

  /// A batch of zeros.
  public init(count: Int, dimension: Int) {
    precondition(count >= 0 && dimension > 0, "a batch needs a dimension of at least 1")
    self.count = count
    self.dimension = dimension
    values = [Double](repeating: 0, count: count * dimension)
  }

  /// A batch over given values, row after row.
  /// - Precondition: `values.count` is a multiple of `dimension`, which is at least 1.
  public init(values: [Double], dimension: Int) {
    precondition(dimension > 0 && values.count % dimension == 0, "values do not fill whole rows")
    self.values = values
    self.dimension = dimension
    count = values.count / dimension
  }

  /// A batch of given rows, all as long as the first; without rows, an empty batch of dimension 1.
  public init(rows: [[Double]]) {
    self.init(values: rows.flatMap { $0 }, dimension: rows.first?.count ?? 1)
  }

  /// The value of a row at a column, both from 0.
  public subscript(row: Int, column: Int) -> Double {
    get { values[row * dimension + column] }
    set { values[row * dimension + column] = newValue }
  }

  /// The values of a row, from 0.
  public func row(_ index: Int) -> ArraySlice<Double> {
    values[index * dimension..<(index + 1) * dimension]
  }

  /// The first `n` rows.
  public func prefix(_ n: Int) -> Batch {
    if n >= count { return self }
    return Batch(values: Array(values.prefix(min(n, count) * dimension)), dimension: dimension)
  }

  /// Forgets all rows but the first `n`, in place.
  public mutating func truncate(to n: Int) {
    if n >= count { return }
    values.removeLast((count - n) * dimension)
    count = n
  }

  /// The whole batch as rows.
  public mutating func withRows<R>(_ body: (Rows) throws -> R) rethrows -> R {
    let (count, dimension) = (count, dimension)
    return try values.withUnsafeMutableBufferPointer { buffer in
      // An empty array may have no base address; a view of no rows is never dereferenced.
      let base = buffer.baseAddress ?? UnsafeMutablePointer(bitPattern: 64)!
      return try body(Rows(memory: base, first: 0, count: count, dimension: dimension))
    }
  }

  /// Runs `body` on every shard of `size` rows, in parallel. `Shards.forEach` says in which order, and what errors do.
  public mutating func forEachShard(
    of size: Int = Shards.rows, threads: Int, _ body: @Sendable (Rows) throws -> Void
  ) throws {
    let (count, dimension) = (count, dimension)
    try withRows { rows in
      let memory = SharedMemory(rows.values)
      try Shards(rows: count, size: size).forEach(threads: threads) { shard, range in
        try body(Rows(memory: memory.pointer, first: 0, count: count, dimension: dimension)[range])
      }
    }
  }

  /// The same with the shards dealt among ranks, of which each has all rows at the end.
  public mutating func forEachShard(
    of size: Int = Shards.rows, threads: Int, among ranks: any Ranks, _ body: @Sendable (Rows) throws -> Void
  ) throws {
    if ranks.count == 1 { return try forEachShard(of: size, threads: threads, body) }
    let (count, dimension, shards) = (count, dimension, Shards(rows: count, size: size))
    let own = ranks.part(of: shards.count, rank: ranks.rank)
    try withRows { rows in
      let memory = SharedMemory(rows.values)
      let failure = Mutex<Failure?>(nil)
      try Shards(rows: own.count, size: 1).forEach(threads: threads) { index, _ in
        let shard = own.lowerBound + index
        do {
          try body(Rows(memory: memory.pointer, first: 0, count: count, dimension: dimension)[shards.range(shard)])
        } catch {
          failure.withLock { $0 = Failure.lower($0, Failure(number: shard, error: error)) }
        }
      }
      try ranks.agree(on: failure.withLock { $0 })
      let width = dimension * MemoryLayout<Double>.stride
      ranks.gather(rows.values, .rows) { rank in
        let part = ranks.rows(of: shards, rank: rank)
        return part.lowerBound * width..<part.upperBound * width
      }
    }
  }
}

/// A pointer that several workers may use, each in its own part.
public struct SharedMemory<Element>: @unchecked Sendable {
  /// Where the memory begins.
  public let pointer: UnsafeMutablePointer<Element>
  /// Shares a pointer. Whoever shares it sees to it that it outlives the workers, and that no two write in one place.
  public init(_ pointer: UnsafeMutablePointer<Element>) { self.pointer = pointer }
}
