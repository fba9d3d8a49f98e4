// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows in coordinates, computed when they are asked for. The draws of a map that draws are keyed by row, so that a row
/// is the same whenever it is asked for.
public struct EncodedRows: DataRows {
  private let base: any DataRows
  private let coordinates: any Coordinates
  private let stream: NoiseStream?
  private let step: Int
  public let dimension: Int

  /// - Parameters:
  ///   - base: the data.
  ///   - coordinates: the map.
  ///   - stream: what the map draws from; nil: it draws nothing.
  ///   - step: the step of the stream.
  /// - Throws: `InputError` for a row that has no coordinates: all rows are tried here, some at a time.
  public init(_ base: any DataRows, in coordinates: any Coordinates, from stream: NoiseStream?, step: Int) throws {
    self.base = base
    self.coordinates = coordinates
    self.stream = stream
    self.step = step
    dimension = coordinates.dimension(of: base.dimension)
    var values: [Double] = []
    let width = dimension
    try base.forEachChunk { x in
      if values.count < x.count * width { values = Array(repeating: 0, count: x.count * width) }
      try values.withUnsafeMutableBufferPointer { memory in
        guard let memory = memory.baseAddress else { return }
        try coordinates.encode(
          x, into: Rows(memory: memory, first: x.first, count: x.count, dimension: width), from: stream, step: step)
      }
    }
  }

  /// How many rows there are.
  public var count: Int { base.count }

  public func write(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: base.dimension) { memory in
      guard let x = memory.baseAddress else { return }
      for row in rows {
        let target = values + (row - rows.lowerBound) * dimension
        base.write(row..<row + 1, into: x)
        do {
          try coordinates.encode(
            Rows(memory: x, first: row, count: 1, dimension: base.dimension),
            into: Rows(memory: target, first: row, count: 1, dimension: dimension), from: stream, step: step)
        } catch {
          target.update(repeating: .nan, count: dimension)
        }
      }
    }
  }
}
