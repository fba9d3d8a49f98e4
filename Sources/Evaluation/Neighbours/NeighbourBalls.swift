// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Balls around rows that reach to their k-th nearest neighbour among the same rows, for all rows and for random halves
/// of them.
final class NeighbourBalls: Sendable {
  private let k: Int
  /// Where the centres are.
  private let centres: TransposedRows
  private let halves: Memory<UInt64>
  /// How many neighbours of a centre are kept: enough for k of them to be in its own half, but for one split in 10⁷.
  private let kept: Int
  /// Squared distances of each centre to its nearest neighbours, rising, rows × kept.
  private let squares: Memory<Double>
  /// The squared radius of each ball, and the squared distance of the last neighbour that is kept.
  private let radii, reaches: Memory<Double>
  /// Bit s of word (l, r): in split s, fewer than k of the r nearest neighbours of centre l are in its half; rows ×
  /// (kept + 1). A point that is farther away than r neighbours is then in the ball.
  private let open: Memory<UInt64>

  /// - Parameters:
  ///   - rows: the centres, more than k of them.
  ///   - k: which neighbour a ball reaches to.
  ///   - halves: in which half each row is, in 64 splits.
  ///   - threads: how many may be used.
  init(_ rows: Batch, k: Int, halves: [UInt64], threads: Int) throws {
    precondition(k >= 1 && rows.count > k && halves.count == rows.count)
    let kept = min(8 * k, rows.count - 1)
    let centres = TransposedRows(rows)
    let (squares, places) = try Neighbours.nearest(rows, in: centres, count: kept, isOwn: true, threads: threads)
    let open = Memory(repeating: UInt64(0), count: rows.count * (kept + 1))
    let (radii, reaches) = (Memory(repeating: 0.0, count: rows.count), Memory(repeating: 0.0, count: rows.count))
    // Bit s of word c: in split s at least c neighbours so far are in the same half.
    var atLeast = [UInt64](repeating: 0, count: k + 1)
    for row in 0..<rows.count {
      (radii[row], reaches[row]) = (squares[row * kept + k - 1], squares[row * kept + kept - 1])
      atLeast[0] = ~0
      for c in 1...k { atLeast[c] = 0 }
      open[row * (kept + 1)] = ~0
      for r in 0..<kept {
        let same = ~(halves[row] ^ halves[Int(places[row * kept + r])])
        for c in stride(from: k, through: 1, by: -1) { atLeast[c] |= atLeast[c - 1] & same }
        open[row * (kept + 1) + r + 1] = ~atLeast[k]
      }
    }
    (self.k, self.centres, self.halves, self.kept) = (k, centres, Memory(halves), kept)
    (self.squares, self.radii, self.reaches, self.open) = (squares, radii, reaches, open)
  }

  /// Which points are in which balls.
  struct Contents {
    /// In how many balls each point is.
    let counts: [Int32]
    /// Bit s: in split s, the point is in a ball of its half.
    let inside: [UInt64]
    /// Whether each ball holds a point.
    let isHit: [Bool]
    /// Bit s: in split s, the ball holds a point of its half.
    let hit: [UInt64]
    /// How many pairs of a ball and a point within it half h of split s has, at 2 s + h.
    let pairs: [Int]
  }

  /// - Parameters:
  ///   - points: rows of the centres' dimension.
  ///   - halves: in which half each of them is.
  ///   - threads: how many may be used; the result does not depend on it.
  func contents(_ points: Batch, halves: [UInt64], threads: Int) throws -> Contents {
    let (workers, m, splits) = (max(1, threads), centres.count, RandomHalves.splits)
    let pointHalves = Memory(halves)
    let counts = Memory(repeating: Int32(0), count: points.count)
    let inside = Memory(repeating: UInt64(0), count: points.count)
    // What several points write to, each worker has for itself; bits and counts add up in any order.
    let hit = Memory(repeating: UInt64(0), count: workers * m)
    let isHit = Memory(repeating: false, count: workers * m)
    let pairs = Memory(repeating: 0, count: workers * 2 * splits)
    try Neighbours.forEachShard(of: points, threads: workers) { values, range, worker in
      let first = range.lowerBound
      var search = Search(
        kept: self.kept, squares: self.squares.pointer, radii: self.radii.pointer, open: self.open.pointer,
        ballHalves: self.halves.pointer, pointHalves: pointHalves.pointer + first, counts: counts.pointer + first,
        inside: inside.pointer + first, hit: hit.pointer + worker * m, isHit: isHit.pointer + worker * m,
        pairs: pairs.pointer + worker * 2 * splits)
      ck_within(
        values, range.count, points.dimension, self.centres.values.pointer, m, self.centres.stride,
        self.reaches.pointer,
        &search
      ) { context, point, ball, square in
        context!.assumingMemoryBound(to: Search.self).pointee.note(point, ball, square)
      }
    }
    func combined<T>(_ memory: Memory<T>, _ part: Int, _ add: (inout T, T) -> Void) -> [T] {
      var result = Array(memory.elements.prefix(part))
      for worker in 1..<max(workers, 2) where worker < workers {
        for i in 0..<part { add(&result[i], memory[worker * part + i]) }
      }
      return result
    }
    return Contents(
      counts: counts.elements, inside: inside.elements, isHit: combined(isHit, m) { $0 = $0 || $1 },
      hit: combined(hit, m) { $0 |= $1 }, pairs: combined(pairs, 2 * splits) { $0 += $1 })
  }

  /// What a shard's search reads and writes.
  private struct Search {
    let kept: Int
    let squares, radii: UnsafePointer<Double>
    let open, ballHalves, pointHalves: UnsafePointer<UInt64>
    let counts: UnsafeMutablePointer<Int32>
    let inside, hit: UnsafeMutablePointer<UInt64>
    let isHit: UnsafeMutablePointer<Bool>
    let pairs: UnsafeMutablePointer<Int>

    /// A point within the reach of a ball's centre.
    @inline(__always)
    func note(_ point: Int, _ ball: Int, _ square: Double) {
      if square <= radii[ball] {
        counts[point] += 1
        isHit[ball] = true
      }
      // How many neighbours of the centre are nearer to it than the point.
      let own = squares + ball * kept
      var (low, high) = (0, kept)
      while low < high {
        let middle = (low + high) / 2
        if own[middle] < square { low = middle + 1 } else { high = middle }
      }
      let half = pointHalves[point]
      var splits = open[ball * (kept + 1) + low] & ~(ballHalves[ball] ^ half)
      inside[point] |= splits
      hit[ball] |= splits
      while splits != 0 {
        let split = splits.trailingZeroBitCount
        pairs[2 * split + Int(half >> UInt64(split) & 1)] += 1
        splits &= splits - 1
      }
    }
  }
}
