// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Synchronization

/// The lanes of a training's steps, dealt among ranks, and the memory of their gradients and losses.
///
/// Lane l is computed by rank l mod R. Each rank adds up one slice of the gradient, over all lanes in the order of
/// their numbers, takes the optimiser's step on that slice, and gives the new parameters to the others. So a value is
/// the same sum in the same order whatever R is. A step carries 2 (R − 1)/R of the parameters' size from each rank
/// where it has one lane, and (R − 1)/R more for each lane more.
///
/// With fewer ranks than lanes, a lane that is ready goes while the next one is computed.
final class LaneDeal: @unchecked Sendable {
  let ranks: any Ranks
  /// How many lanes there are, and how many shards they share.
  let lanes, shards: Int
  /// The lanes of this rank.
  let own: [Int]
  /// The gradient in chunks, of which a slice has whole ones: a chunk's sum of squares is one number.
  let chunks: Shards
  /// One buffer for each lane, one after the other. Of other ranks' lanes only this rank's slice is in use.
  let gradients: SharedMemory<Float>
  /// The losses of shards, lane after lane.
  private let losses: UnsafeMutablePointer<Double>
  private let starts: [Int]
  private var receiving: Int?
  private let sending = Mutex<[Int]>([])
  private var tags: [Int] = []
  /// Whether nothing is under way in the memory.
  private var isQuiet = true

  /// - Parameters:
  ///   - count: how many parameters there are.
  ///   - shards: of a step's batch.
  ///   - lanes: at most so many as there are shards.
  init(_ ranks: any Ranks, parameters count: Int, shards: Int, lanes: Int) {
    (self.ranks, self.shards, self.lanes) = (ranks, shards, lanes)
    own = Array(stride(from: ranks.rank, to: lanes, by: ranks.count))
    chunks = Shards(rows: count, size: 1 << 16)
    gradients = SharedMemory(UnsafeMutablePointer<Float>.allocate(capacity: max(1, count * lanes)))
    losses = UnsafeMutablePointer<Double>.allocate(capacity: max(1, shards))
    starts = (0..<lanes).reduce(into: [0]) { $0.append($0[$1] + Self.shards(of: $1, lanes, shards).count) }
  }

  deinit {
    // What is under way goes on writing.
    guard isQuiet else { return }
    gradients.pointer.deallocate()
    losses.deallocate()
  }

  private static func shards(of lane: Int, _ lanes: Int, _ shards: Int) -> [Int] {
    Array(stride(from: lane, to: shards, by: lanes))
  }

  /// The shards of a lane, and where the loss of each goes.
  func work(of lane: Int) -> [(shard: Int, loss: SharedMemory<Double>)] {
    Self.shards(of: lane, lanes, shards).enumerated().map { ($1, SharedMemory(losses + starts[lane] + $0)) }
  }

  /// The buffer of a lane's gradient.
  func gradient(of lane: Int) -> SharedMemory<Float> { SharedMemory(gradients.pointer + lane * chunks.rowCount) }

  /// The parameters that a rank steps, as a range of chunks.
  func chunks(of rank: Int) -> Range<Int> { ranks.part(of: chunks.count, rank: rank) }

  /// The same as a range of parameters.
  func slice(of rank: Int) -> Range<Int> { ranks.rows(of: chunks, rank: rank) }

  private func bytes(ofLossesOf lane: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      UnsafeMutableBufferPointer(
        start: losses + starts[lane], count: starts[lane + 1] - starts[lane]))
  }

  private func bytes(of slice: Range<Int>, lane: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      UnsafeMutableBufferPointer(
        start: gradient(of: lane).pointer + slice.lowerBound, count: slice.count))
  }

  // MARK: A step

  /// Asks for what other ranks' lanes come to.
  func begin() {
    guard ranks.count > 1 else { return }
    isQuiet = false
    tags = (0..<lanes).map { _ in ranks.nextTag(.lane) }
    let slice = slice(of: ranks.rank)
    receiving = ranks.post(
      (0..<lanes).filter { $0 % ranks.count != ranks.rank }.flatMap { lane -> [Transfer] in
        let peer = lane % ranks.count
        let losses = Transfer.receive(bytes(ofLossesOf: lane), from: peer, tag: tags[lane])
        return slice.isEmpty ? [losses] : [losses, .receive(bytes(of: slice, lane: lane), from: peer, tag: tags[lane])]
      })
  }

  /// Gives a lane of this rank to the others, each its slice. Called by the worker that computed it.
  func give(_ lane: Int) {
    guard ranks.count > 1 else { return }
    let ticket = ranks.post(
      ranks.others.flatMap { peer -> [Transfer] in
        let slice = slice(of: peer)
        let losses = Transfer.send(UnsafeRawBufferPointer(bytes(ofLossesOf: lane)), to: peer, tag: tags[lane])
        let part = UnsafeRawBufferPointer(bytes(of: slice, lane: lane))
        return slice.isEmpty ? [losses] : [losses, .send(part, to: peer, tag: tags[lane])]
      })
    sending.withLock { $0.append(ticket) }
  }

  /// Waits for all lanes.
  func finish() {
    guard let receiving else { return }
    ranks.wait(receiving)
    for ticket in sending.withLock({ $0 }) { ranks.wait(ticket) }
    sending.withLock { $0 = [] }
    self.receiving = nil
    isQuiet = true
  }

  /// The sum of all shards' losses, in their order.
  var loss: Double {
    (0..<shards).reduce(0.0) { $0 + losses[starts[$1 % lanes] + $1 / lanes] }
  }

  /// Adds the lanes' gradients up in the first buffer, each rank its slice, and returns the norm of their sum.
  func norm(threads: Int) throws -> Double {
    let own = chunks(of: ranks.rank)
    var squares = [Double](repeating: 0, count: chunks.count)
    try squares.withUnsafeMutableBufferPointer { buffer in
      let squares = SharedMemory(buffer.baseAddress!)
      try Shards(rows: own.count, size: 1).forEach(threads: threads) { index, _ in
        let range = chunks.range(own.lowerBound + index)
        let sum = gradients.pointer + range.lowerBound
        squares.pointer[own.lowerBound + index] = ck_reduce(sum, sum, lanes, chunks.rowCount, range.count)
      }
      let width = MemoryLayout<Double>.stride
      ranks.gather(squares.pointer, .squares) { chunks(of: $0).lowerBound * width..<chunks(of: $0).upperBound * width }
    }
    return squares.reduce(0, +).squareRoot()
  }

  /// Gives all ranks the slices of every rank, with the decision of rank 0 whether to go on.
  func share(_ memory: [UnsafeMutablePointer<Float>], goesOn: Bool = true) -> Bool {
    guard ranks.count > 1 else { return goesOn }
    let width = MemoryLayout<Float>.stride
    var decision: UInt8 = goesOn ? 1 : 0
    var transfers = memory.flatMap {
      ranks.gathering($0, tag: ranks.nextTag(.parameters)) {
        slice(of: $0).lowerBound * width..<slice(of: $0).upperBound * width
      }
    }
    let tag = ranks.nextTag(.decision)
    withUnsafeMutableBytes(of: &decision) { byte in
      if ranks.isRoot {
        transfers += ranks.others.map { .send(UnsafeRawBufferPointer(byte), to: $0, tag: tag) }
      } else {
        transfers.append(.receive(byte, from: 0, tag: tag))
      }
      ranks.exchange(transfers)
    }
    return decision == 1
  }
}
