// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Coordinates that take long to find, as an autoencoder's latents do: every row goes through the map once, and what
/// comes out is kept, in floats. What the map draws is drawn from that, anew for every row of every training step.
public protocol KeptCoordinates: Coordinates {
  /// How many numbers are kept of a row.
  func keptDimension(of dimension: Int) -> Int

  /// How many rows go through the map at a time.
  var keptRows: Int { get }

  /// Whether training draws from kept rows too. Else every picture of every step goes through the map, with crops,
  /// flips and the like of its own, and rows to look at alone are kept.
  var keepsTraining: Bool { get }

  /// Writes what is kept of some rows. It may run on many threads at once.
  /// - Parameters:
  ///   - x: data, rows × dimension.
  ///   - kept: rows × `keptDimension(of: dimension)`.
  func keep(_ x: Rows, into kept: Rows) throws

  /// Writes the coordinates of rows from what was kept of them: `encode` is this after `keep`.
  /// - Parameters:
  ///   - kept: rows × `keptDimension`.
  ///   - y: their coordinates.
  ///   - stream: what the map draws from, keyed by row and step; nil: it draws nothing.
  ///   - step: the step of the stream.
  func encode(kept: Rows, into y: Rows, from stream: NoiseStream?, step: Int)
}

extension KeptCoordinates {
  public func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    let span = RowSpan(first: x.first, count: x.count, dimension: keptDimension(of: x.dimension))
    try RowStorage.with(span, count: 1) { rows in
      try keep(x, into: rows[0])
      encode(kept: rows[0], into: y, from: stream, step: step)
    }
  }
}
