// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows of data, count × dimension, which are made when they are asked for: a batch has them at hand, images are held
/// as bytes or lie in a file, and rows in coordinates are computed.
public protocol DataRows: Sendable {
  /// How many rows there are.
  var count: Int { get }
  /// How many values a row has.
  var dimension: Int { get }

  /// Writes rows, one behind the other. What cannot be read any more, or has no coordinates, becomes NaN. It may run on
  /// many threads at once.
  /// - Precondition: there are such rows, and memory for them.
  func write(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>)

  /// All rows in memory: 8 bytes a value.
  func batch() -> Batch
}

extension DataRows {
  public func batch() -> Batch { rows(0..<count) }

  /// Some rows in memory.
  public func rows(_ range: Range<Int>) -> Batch {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows that there are")
    var batch = Batch(count: range.count, dimension: dimension)
    batch.values.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { write(range, into: base) } }
    return batch
  }

  /// The first `n` rows, in memory.
  public func prefix(_ n: Int) -> Batch { rows(0..<min(n, count)) }

  /// As many of the first rows as hold `values` values at most, and one at least, in memory.
  public func prefix(values: Int) -> Batch { prefix(max(1, values / dimension)) }

  /// One row.
  public func row(_ index: Int) -> [Double] { rows(index..<index + 1).values }

  /// The value of a row at a column, both from 0.
  public subscript(row: Int, column: Int) -> Double { self.row(row)[column] }

  /// The values of all rows, in memory.
  public var values: [Double] { batch().values }

  /// Hands all rows to `body`, some at a time, in order.
  /// - Parameter body: takes the rows, whose `first` is what it is within the whole.
  public func forEachChunk(_ body: (Rows) throws -> Void) rethrows {
    let size = max(1, Self.chunk / dimension)
    var values = [Double](repeating: 0, count: min(size, max(1, count)) * dimension)
    for start in stride(from: 0, to: count, by: size) {
      let range = start..<min(count, start + size)
      try values.withUnsafeMutableBufferPointer { values in
        guard let memory = values.baseAddress else { return }
        write(range, into: memory)
        try body(Rows(memory: memory, first: start, count: range.count, dimension: dimension))
      }
    }
  }

  /// How many values are at hand at once, where rows are gone through one after the other.
  private static var chunk: Int { 1 << 16 }
}

extension Batch: DataRows {
  public func write(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>) {
    self.values.withUnsafeBufferPointer { mine in
      guard let base = mine.baseAddress else { return }
      values.update(from: base + rows.lowerBound * dimension, count: rows.count * dimension)
    }
  }

  public func batch() -> Batch { self }
}
