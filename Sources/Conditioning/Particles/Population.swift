// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The weights of the particles of some rows.
struct Population {
  let rows, each: Int
  private let first: Int
  private let stream: NoiseStream
  /// ln w since the last resampling.
  private var logWeights: [Double]
  /// ln of the product of the mean weights at all resamplings so far.
  private var logEvidences: [Double]
  /// w over their sum, of the row that is looked at.
  private var shares: [Double]

  init(rows: Int, each: Int, seed: UInt64, first: Int) {
    (self.rows, self.each, self.first) = (rows, each, first)
    stream = NoiseStream(seed: seed, purpose: .resampling)
    logWeights = [Double](repeating: 0, count: rows * each)
    logEvidences = [Double](repeating: 0, count: rows)
    shares = [Double](repeating: 0, count: each)
  }

  /// Multiplies every weight. What is no number is no weight.
  mutating func add(_ logFactor: (Int) -> Double) {
    for i in logWeights.indices {
      let factor = logFactor(i)
      logWeights[i] += factor.isNaN ? -.infinity : factor
    }
  }

  /// ln of the mean weight of a row, whose shares are in `shares` then: equal ones where all weights are 0.
  private mutating func normalise(_ row: Int) -> Double {
    let weights = logWeights[row * each..<(row + 1) * each]
    let top = weights.max() ?? 0
    guard top > -.infinity else {
      for i in 0..<each { shares[i] = 1 / Double(each) }
      return -.infinity
    }
    var sum = 0.0
    for (i, weight) in weights.enumerated() {
      shares[i] = exp(weight - top)
      sum += shares[i]
    }
    for i in 0..<each { shares[i] /= sum }
    return top + log(sum / Double(each))
  }

  /// The effective number of a row's particles, (Σ w)²/Σ w², and ln of the estimate of p(y) so far.
  mutating func state(of row: Int) -> (effective: Double, logEvidence: Double) {
    let mean = normalise(row)
    return (1 / shares.reduce(0) { $0 + $1 * $1 }, logEvidences[row] + mean)
  }

  /// Systematic resampling of the rows whose effective number is below a share of their particles.
  /// - Returns: for every particle the one that it becomes a copy of; nil where no row is resampled.
  mutating func resample(below share: Double, step: Int) -> [Int]? {
    var parents: [Int]?
    for row in 0..<rows {
      let mean = normalise(row)
      let effective = 1 / shares.reduce(0) { $0 + $1 * $1 }
      guard effective < share * Double(each) else { continue }
      if parents == nil { parents = Array(0..<rows * each) }
      let offset = uniform(row, step)
      var (sum, parent) = (shares[0], 0)
      for i in 0..<each {
        let place = (Double(i) + offset) / Double(each)
        while sum <= place && parent < each - 1 {
          parent += 1
          sum += shares[parent]
        }
        parents![row * each + i] = row * each + parent
      }
      logEvidences[row] += mean
      for i in 0..<each { logWeights[row * each + i] = 0 }
    }
    return parents
  }

  /// One particle of every row, by its weight.
  mutating func draw(step: Int) -> [Int] {
    (0..<rows).map { row in
      _ = normalise(row)
      let place = uniform(row, step)
      var (sum, chosen) = (shares[0], 0)
      while sum <= place && chosen < each - 1 {
        chosen += 1
        sum += shares[chosen]
      }
      return row * each + chosen
    }
  }

  /// A number of [0, 1) for a row and a step.
  private func uniform(_ row: Int, _ step: Int) -> Double {
    RowStorage.with(RowSpan(first: first + row, count: 1, dimension: 1), count: 1) {
      stream.uniforms(into: $0[0], step: step)
      return $0[0][0, 0]
    }
  }
}
