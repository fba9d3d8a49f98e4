// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Synchronization

/// The lanes of a training's steps, dealt among ranks, and the memory of their gradients, losses and parameters.
///
/// Lane l is computed by rank l mod R. Each rank adds up one slice of the gradient, over all lanes in the order of
/// their numbers, takes the optimiser's step on that slice, and gives the new parameters to the others. So a value is
/// the same sum in the same order whatever R is.
///
/// Ranks of one machine see each other's lanes and parameters in place, and tell each other when they are ready. To
/// ranks of other machines a step carries 2 (R − 1)/R of the parameters' size from each rank where it has one lane, and
/// (R − 1)/R more for each lane more; with fewer ranks than lanes, a lane that is ready goes while the next one is
/// computed.
final class LaneDeal: @unchecked Sendable {
  let ranks: any Ranks
  /// How many lanes there are, and how many shards they share.
  let lanes, shards: Int
  /// The lanes of this rank.
  let own: [Int]
  /// The gradient in chunks, of which a slice has whole ones: a chunk's sum of squares is one number.
  let chunks: Shards
  /// Parameters, a board for what is shown to others, and this rank's lanes, one after the other.
  private let memory: RankMemory
  /// The values from one of them to the next one: whole lines of the processor's memory.
  private let stride: Int
  /// Other ranks, of this machine and of others.
  let near, far: [Int]
  /// The gradient of each lane. Of lanes of other machines only this rank's slice is in use.
  private let gradients: UnsafeMutablePointer<UnsafePointer<Float>?>
  private let received: UnsafeMutablePointer<Float>
  /// The losses of shards, lane after lane.
  private let losses: UnsafeMutablePointer<Double>
  private let starts: [Int]
  /// A word of each rank.
  private let words: UnsafeMutablePointer<UInt8>
  private var receiving: Int?
  private let sending = Mutex<[Int]>([])
  private var tags: [Int] = []

  /// - Parameters:
  ///   - count: how many parameters there are.
  ///   - shards: of a step's batch.
  ///   - lanes: at most so many as there are shards.
  init(_ ranks: any Ranks, parameters count: Int, shards: Int, lanes: Int) {
    (self.ranks, self.shards, self.lanes) = (ranks, shards, lanes)
    own = Self.lanes(of: ranks.rank, of: ranks.count, lanes)
    chunks = Shards(rows: count, size: 1 << 16)
    stride = max(16, (count + 15) / 16 * 16)
    // A rank without a lane adds up as well.
    let places = 2 + max(1, Self.lanes(of: 0, of: ranks.count, lanes).count)
    let memory = ranks.memory(bytes: places * stride * MemoryLayout<Float>.stride)
    self.memory = memory
    near = ranks.others.filter { memory.seen(of: $0) != nil }
    far = ranks.others.filter { memory.seen(of: $0) == nil }
    let owners = Set(far)
    let strangers = (0..<lanes).filter { owners.contains($0 % ranks.count) }
    received = UnsafeMutablePointer<Float>.allocate(capacity: max(1, strangers.count * stride))
    gradients = UnsafeMutablePointer<UnsafePointer<Float>?>.allocate(capacity: max(1, lanes))
    losses = UnsafeMutablePointer<Double>.allocate(capacity: max(1, shards))
    words = UnsafeMutablePointer<UInt8>.allocate(capacity: ranks.count)
    words.initialize(repeating: 0, count: ranks.count)
    starts = (0..<lanes).reduce(into: [0]) { $0.append($0[$1] + Self.shards(of: $1, lanes, shards).count) }
    for lane in 0..<lanes {
      let place = Self.place(memory, of: lane % ranks.count, 2 + lane / ranks.count, stride)
      gradients[lane] = UnsafePointer(place ?? received + (strangers.firstIndex(of: lane) ?? 0) * stride)
    }
  }

  deinit {
    // What is under way after an error goes on writing.
    guard receiving == nil else { return _ = Unmanaged.passRetained(memory) }
    received.deallocate()
    gradients.deallocate()
    losses.deallocate()
    words.deallocate()
  }

  private static func lanes(of rank: Int, of ranks: Int, _ lanes: Int) -> [Int] {
    Array(Swift.stride(from: rank, to: lanes, by: ranks))
  }

  private static func shards(of lane: Int, _ lanes: Int, _ shards: Int) -> [Int] {
    Array(Swift.stride(from: lane, to: shards, by: lanes))
  }

  /// A part of a rank's memory: 0: parameters, 1: the board, 2 and above: lanes.
  private static func place(
    _ memory: RankMemory, of rank: Int, _ index: Int, _ stride: Int
  ) -> UnsafeMutablePointer<Float>? {
    memory.seen(of: rank).map { $0.assumingMemoryBound(to: Float.self) + index * stride }
  }

  /// The parameters that steps are taken with and upon.
  var parameters: SharedMemory<Float> { SharedMemory(Self.place(memory, of: ranks.rank, 0, stride)!) }

  /// The gradient's sum over lanes, where `norm` has added it up: this rank's slice.
  var sum: SharedMemory<Float> { SharedMemory(Self.place(memory, of: ranks.rank, 2, stride)!) }

  /// The shards of a lane, and where the loss of each goes.
  func work(of lane: Int) -> [(shard: Int, loss: SharedMemory<Double>)] {
    Self.shards(of: lane, lanes, shards).enumerated().map { ($1, SharedMemory(losses + starts[lane] + $0)) }
  }

  /// The buffer of the gradient of a lane of this rank.
  func gradient(of lane: Int) -> SharedMemory<Float> {
    SharedMemory(Self.place(memory, of: ranks.rank, 2 + lane / ranks.count, stride)!)
  }

  /// The parameters that a rank steps, as a range of chunks.
  func chunks(of rank: Int) -> Range<Int> { ranks.part(of: chunks.count, rank: rank) }

  /// The same as a range of parameters.
  func slice(of rank: Int) -> Range<Int> { ranks.rows(of: chunks, rank: rank) }

  private func bytes(ofLossesOf lane: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      UnsafeMutableBufferPointer(start: losses + starts[lane], count: starts[lane + 1] - starts[lane]))
  }

  private func bytes(_ slice: Range<Int>, of values: UnsafePointer<Float>) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      UnsafeMutableBufferPointer(
        start: UnsafeMutablePointer(mutating: values) + slice.lowerBound, count: slice.count))
  }

  // MARK: A step

  /// Asks for what other ranks' lanes come to.
  func begin() {
    guard ranks.count > 1 else { return }
    tags = (0..<lanes).map { _ in ranks.nextTag(.lane) }
    let slice = slice(of: ranks.rank)
    receiving = ranks.post(
      (0..<lanes).filter { $0 % ranks.count != ranks.rank }.flatMap { lane -> [Transfer] in
        let peer = lane % ranks.count
        let losses = Transfer.receive(bytes(ofLossesOf: lane), from: peer, tag: tags[lane])
        if slice.isEmpty || near.contains(peer) { return [losses] }
        return [losses, .receive(bytes(slice, of: gradients[lane]!), from: peer, tag: tags[lane])]
      })
  }

  /// Gives a lane of this rank to the others: to those of other machines each its slice. Called by the worker that
  /// computed it.
  func give(_ lane: Int) {
    guard ranks.count > 1 else { return }
    let ticket = ranks.post(
      ranks.others.flatMap { peer -> [Transfer] in
        let losses = Transfer.send(UnsafeRawBufferPointer(bytes(ofLossesOf: lane)), to: peer, tag: tags[lane])
        let slice = slice(of: peer)
        if slice.isEmpty || near.contains(peer) { return [losses] }
        let part = UnsafeRawBufferPointer(bytes(slice, of: gradients[lane]!))
        return [losses, .send(part, to: peer, tag: tags[lane])]
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
  }

  /// The sum of all shards' losses, in their order.
  var loss: Double {
    (0..<shards).reduce(0.0) { $0 + losses[starts[$1 % lanes] + $1 / lanes] }
  }

  /// Adds the lanes' gradients up, each rank its slice, and returns the norm of their sum.
  ///
  /// When it returns, no rank reads another one's lanes any more.
  func norm(threads: Int) throws -> Double {
    let own = chunks(of: ranks.rank)
    var squares = [Double](repeating: 0, count: chunks.count)
    try squares.withUnsafeMutableBufferPointer { buffer in
      let (squares, sum) = (SharedMemory(buffer.baseAddress!), sum)
      try Shards(rows: own.count, size: 1).forEach(threads: threads) { index, _ in
        let range = chunks.range(own.lowerBound + index)
        squares.pointer[own.lowerBound + index] = ck_reduce(
          sum.pointer + range.lowerBound, gradients, lanes, range.lowerBound, range.count)
      }
      let width = MemoryLayout<Double>.stride
      guard ranks.count > 1 else { return }
      ranks.exchange(
        ranks.gathering(squares.pointer, tag: ranks.nextTag(.squares)) {
          chunks(of: $0).lowerBound * width..<chunks(of: $0).upperBound * width
        } + ready(besides: { !chunks(of: $0).isEmpty }))
    }
    return squares.reduce(0, +).squareRoot()
  }

  // MARK: What all ranks are given

  /// Words to and from ranks of this machine: that what this one shows to others is there, or that it has seen what
  /// they showed.
  /// - Parameter besides: which ranks say so by something else.
  private func ready(besides: (Int) -> Bool = { _ in false }) -> [Transfer] {
    // All ranks count alike.
    let tag = ranks.nextTag(.memory)
    let own = UnsafeRawBufferPointer(start: words + ranks.rank, count: 1)
    return near.flatMap { peer -> [Transfer] in
      (besides(ranks.rank) ? [] : [.send(own, to: peer, tag: tag)])
        + (besides(peer) ? [] : [.receive(.init(start: words + peer, count: 1), from: peer, tag: tag)])
    }
  }

  /// The transfers that give the slices of an array to ranks of other machines.
  private func slices(_ values: UnsafeMutablePointer<Float>) -> [Transfer] {
    let (tag, width) = (ranks.nextTag(.parameters), MemoryLayout<Float>.stride)
    guard !far.isEmpty else { return [] }
    return ranks.gathering(values, tag: tag) {
      slice(of: $0).lowerBound * width..<slice(of: $0).upperBound * width
    }.filter { far.contains($0.peer) }
  }

  /// Copies slices that ranks of this machine show.
  /// - Parameter index: where in their memory.
  private func copySlices(_ index: Int, to values: UnsafeMutablePointer<Float>, threads: Int) throws {
    let target = SharedMemory(values)
    for peer in near {
      let range = chunks(of: peer)
      let source = SharedMemory(Self.place(memory, of: peer, index, stride)!)
      try Shards(rows: range.count, size: 1).forEach(threads: threads) { chunk, _ in
        let rows = chunks.range(range.lowerBound + chunk)
        (target.pointer + rows.lowerBound).update(from: source.pointer + rows.lowerBound, count: rows.count)
      }
    }
  }

  /// Gives all ranks the slices of the parameters, with the decision of rank 0 whether to go on.
  func shareParameters(goesOn: Bool, threads: Int) throws -> Bool {
    guard ranks.count > 1 else { return goesOn }
    words[ranks.rank] = goesOn ? 1 : 0
    var transfers = slices(parameters.pointer)
    let tag = ranks.nextTag(.decision)
    let own = UnsafeRawBufferPointer(start: words + ranks.rank, count: 1)
    // To those of this machine it says that the slice is there, too.
    for peer in ranks.isRoot ? ranks.others : near { transfers.append(.send(own, to: peer, tag: tag)) }
    for peer in ranks.isRoot ? near : near + far.filter({ $0 == 0 }) {
      transfers.append(.receive(.init(start: words + peer, count: 1), from: peer, tag: tag))
    }
    ranks.exchange(transfers)
    try copySlices(0, to: parameters.pointer, threads: threads)
    return words[0] == 1
  }

  /// Gives all ranks the slices of an array that each rank has stepped.
  func share(_ values: UnsafeMutablePointer<Float>, threads: Int) throws {
    guard ranks.count > 1 else { return }
    // Nobody looks at the board any more.
    let seen = ready()
    if !seen.isEmpty { ranks.exchange(seen) }
    let slice = slice(of: ranks.rank)
    if !near.isEmpty {
      let board = Self.place(memory, of: ranks.rank, 1, stride)!
      (board + slice.lowerBound).update(from: values + slice.lowerBound, count: slice.count)
    }
    ranks.exchange(slices(values) + ready())
    try copySlices(1, to: values, threads: threads)
  }
}
