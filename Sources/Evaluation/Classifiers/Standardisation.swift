// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Columns less their means, over their standard deviations, in single precision: what a classifier sees.
struct Standardisation: Sendable {
  let means, factors: [Double]

  /// - Parameters:
  ///   - rows: whose means and deviations count.
  ///   - others: whose deviations, about the same means, count in columns that are constant in `rows`.
  init(by rows: Batch, or others: Batch? = nil) {
    var means = [Double](repeating: 0, count: rows.dimension)
    for i in 0..<rows.count { for j in means.indices { means[j] += rows[i, j] / Double(rows.count) } }
    func deviations(_ batch: Batch) -> [Double] {
      var squares = [Double](repeating: 0, count: means.count)
      for i in 0..<batch.count {
        for j in means.indices { squares[j] += (batch[i, j] - means[j]) * (batch[i, j] - means[j]) }
      }
      return squares.map { ($0 / Double(batch.count)).squareRoot() }
    }
    let fallbacks = others.map(deviations) ?? means.map { _ in 0 }
    let own = deviations(rows)
    self.means = means
    // What rounding leaves of a constant is no deviation.
    factors = means.indices.map { j in
      let least = 1e-12 * abs(means[j])
      return own[j] > least ? 1 / own[j] : fallbacks[j] > least ? 1 / fallbacks[j] : 0
    }
  }

  /// Rows as a classifier sees them, count × dimension, each value in ±100, as floats of far outliers end all training.
  func callAsFunction(_ rows: Batch) -> [Float] {
    var values = [Float](repeating: 0, count: rows.values.count)
    rows.values.withUnsafeBufferPointer { source in
      for i in 0..<rows.count {
        for j in means.indices {
          let value = (source[i * rows.dimension + j] - means[j]) * factors[j]
          values[i * rows.dimension + j] = Float(min(max(value, -100), 100))
        }
      }
    }
    return values
  }
}
