// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Bootstrap resamples (Efron 1979): how often each row is drawn, with replacement, as many draws as there are rows.
struct Resamples: Sendable {
  /// How many rows each of several sets has, which are drawn from on their own.
  let rows: [Int]
  let seed: UInt64

  /// How often each row is in a resample, the sets one after the other.
  func counts(_ repetition: Int) -> [Int32] {
    var counts = [Int32](repeating: 0, count: rows.reduce(0, +))
    var first = 0
    for (set, rows) in rows.enumerated() {
      let stream = NoiseStream(seed: seed, purpose: .resampling)
      let draws = stream.uniforms(count: rows, dimension: 1, step: repetition * self.rows.count + set)
      for draw in draws.values { counts[first + Int(draw * Double(rows))] += 1 }
      first += rows
    }
    return counts
  }
}

extension Purpose {
  /// The draws of a bootstrap.
  static let resampling = Purpose(rawValue: 45)
}
