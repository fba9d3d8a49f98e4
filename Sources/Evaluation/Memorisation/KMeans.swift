// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Cells around centres, by Lloyd's algorithm (1982) from centres that are far apart (Arthur and Vassilvitskii 2007,
/// *k-means++*).
enum KMeans {
  /// - Parameters:
  ///   - rows: what is cut into cells, at least one row.
  ///   - count: how many cells; fewer where rows coincide.
  ///   - seed: keys the first centres.
  ///   - threads: how many may be used; the result does not depend on it.
  /// - Returns: the cells' centres.
  static func centres(_ rows: Batch, count: Int, seed: UInt64, threads: Int) throws -> Batch {
    let (d, uniforms) = (
      rows.dimension, NoiseStream(seed: seed, purpose: .cells).uniforms(count: count, dimension: 1).values
    )
    var centres = Batch(
      values: Array(rows.row(min(Int(uniforms[0] * Double(rows.count)), rows.count - 1))), dimension: d)
    while centres.count < count {
      // In proportion to the squared distance from the nearest centre.
      let squares = try Neighbours.nearest(rows, in: TransposedRows(centres), count: 1, threads: threads).squares
        .elements
      var left = uniforms[centres.count] * squares.reduce(0, +)
      guard left > 0,
        let row = squares.firstIndex(where: { square in
          left -= square
          return left < 0
        })
      else { break }
      centres = Batch(values: centres.values + rows.row(row), dimension: d)
    }
    for _ in 0..<20 {
      let places = try Neighbours.nearest(rows, in: TransposedRows(centres), count: 1, threads: threads).places
      var (sums, sizes) = (Batch(count: centres.count, dimension: d), [Int](repeating: 0, count: centres.count))
      for row in 0..<rows.count {
        let cell = Int(places[row])
        sizes[cell] += 1
        for j in 0..<d { sums[cell, j] += rows[row, j] }
      }
      var next = centres
      for cell in sizes.indices where sizes[cell] > 0 {
        for j in 0..<d { next[cell, j] = sums[cell, j] / Double(sizes[cell]) }
      }
      if next == centres { break }
      centres = next
    }
    return centres
  }
}
