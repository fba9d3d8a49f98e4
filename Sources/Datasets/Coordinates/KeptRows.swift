// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization

/// Rows in coordinates that take long to find. They are computed when they are first asked for, some at a time, and
/// kept; `prepare` computes all of them on several threads.
public final class KeptRows: DataRows {
  private let base: any DataRows
  private let coordinates: any KeptCoordinates
  private let stream: NoiseStream?
  private let step: Int
  public let dimension: Int
  private let keptDimension: Int
  private let size: Int
  private let blocks: [Block]

  /// What is kept of some rows; nil: they were not asked for yet.
  private final class Block: Sendable {
    let values = Mutex<[Float]?>(nil)
  }

  /// - Parameters:
  ///   - base: the data.
  ///   - coordinates: the map.
  ///   - stream: what the map draws from; nil: it draws nothing.
  ///   - step: the step of the stream.
  public init(_ base: any DataRows, in coordinates: any KeptCoordinates, from stream: NoiseStream?, step: Int) {
    (self.base, self.coordinates, self.stream, self.step) = (base, coordinates, stream, step)
    dimension = coordinates.dimension(of: base.dimension)
    keptDimension = coordinates.keptDimension(of: base.dimension)
    size = max(1, coordinates.keptRows)
    blocks = (0..<(base.count + size - 1) / size).map { _ in Block() }
  }

  public var count: Int { base.count }

  /// Computes what was not asked for yet.
  /// - Parameters:
  ///   - threads: how many workers share the rows; what is computed does not depend on it.
  ///   - progress: is told how many rows are done, from any thread.
  /// - Throws: `InputError` for a row that has no coordinates; what a stop signal throws.
  public func prepare(threads: Int, progress: @Sendable (_ rows: Int) -> Void = { _ in }) throws {
    try Shards(rows: count, size: size).forEach(threads: threads) { block, rows in
      try withKept(block) { _ in }
      progress(rows.count)
    }
  }

  public func write(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>) {
    for row in rows {
      let y = Rows(memory: values + (row - rows.lowerBound) * dimension, first: row, count: 1, dimension: dimension)
      write(row, into: y, from: stream, step: step)
    }
  }

  /// Writes the coordinates of row `index`, with draws of the place that y has.
  func write(_ index: Int, into y: Rows, from stream: NoiseStream?, step: Int) {
    do {
      try withKept(index / size) { kept in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: keptDimension) { memory in
          guard let numbers = memory.baseAddress else { return }
          let first = index % size * keptDimension
          for j in 0..<keptDimension { numbers[j] = Double(kept[first + j]) }
          coordinates.encode(
            kept: Rows(memory: numbers, first: y.first, count: 1, dimension: keptDimension), into: y, from: stream,
            step: step)
        }
      }
    } catch {
      y.fill(.nan)
    }
  }

  /// Hands over what is kept of a block's rows, which is computed now where it is not there.
  private func withKept(_ block: Int, _ body: ([Float]) -> Void) throws {
    // The values are shared, and the lock is free again while they are read.
    let values = try blocks[block].values.withLock { values in
      if let values { return values }
      let computed = try compute(block * size..<min(count, (block + 1) * size))
      values = computed
      return computed
    }
    body(values)
  }

  private func compute(_ rows: Range<Int>) throws -> [Float] {
    let data = RowStorage(RowSpan(first: rows.lowerBound, count: rows.count, dimension: base.dimension))
    let kept = RowStorage(RowSpan(first: rows.lowerBound, count: rows.count, dimension: keptDimension))
    base.write(rows, into: data.rows.values)
    try coordinates.keep(data.rows, into: kept.rows)
    return withExtendedLifetime((data, kept)) {
      (0..<kept.rows.size).map { Float(kept.rows.values[$0]) }
    }
  }
}

/// Kept rows as training draws them: what the map draws is new in every step.
struct KeptSource: TrainingSource {
  let rows: KeptRows

  var count: Int { rows.count }
  var dimension: Int { rows.dimension }

  func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: dimension) { values in
      guard let y = values.baseAddress else { return }
      copy(index, variation: variation, into: y)
      for j in 0..<dimension { row[j] = Float(y[j]) }
    }
  }

  func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    rows.write(
      index, into: Rows(memory: row, first: variation.row, count: 1, dimension: dimension),
      from: NoiseStream(seed: variation.seed, purpose: .trainingDequantisation), step: variation.step)
  }
}
