// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The median distance between different rows, and how much each row has to do with it: for widths of kernels.
struct MedianDistance: Sendable {
  /// How many rows count.
  static let rows = 1000

  let value: Double
  /// The influence of each row on ln value, by Hájek's projection of a quantile of distances (Serfling 1980,
  /// *Approximation theorems of mathematical statistics*, section 5.7.4): 2 (½ − F_i)/(f value), where F_i is the share
  /// of distances from row i that are below the median, and f the density of distances there. Rows after the first
  /// 1,000 have none. For the variance of a mean over all rows.
  let influences: [Double]

  init(_ batch: Batch) {
    let part = batch.prefix(Self.rows)
    let (n, d) = (part.count, part.dimension)
    value = MaximumMeanDiscrepancy.medianDistance(part)
    guard n > 2, value > 0 else {
      influences = [Double](repeating: 0, count: batch.count)
      return
    }
    let bounds = [0.9 * value * 0.9 * value, value * value, 1.1 * value * 1.1 * value]
    var below = [Int](repeating: 0, count: n)
    var near = 0
    part.values.withUnsafeBufferPointer { values in
      for i in 0..<n {
        for k in 0..<i {
          var square = 0.0
          for j in 0..<d {
            let difference = values[i * d + j] - values[k * d + j]
            square += difference * difference
          }
          if square < bounds[1] {
            below[i] += 1
            below[k] += 1
          }
          if square > bounds[0] && square < bounds[2] { near += 1 }
        }
      }
    }
    // The share of distances within a tenth of the median, over their width: f value.
    let density = Double(near) / Double(n * (n - 1) / 2) / 0.2
    let shares = below.map { Double($0) / Double(n - 1) }
    let mean = shares.reduce(0, +) / Double(n)
    let weight = Double(batch.count) / Double(n)
    influences = (0..<batch.count).map { $0 < n && density > 0 ? weight * 2 * (mean - shares[$0]) / density : 0 }
  }
}
