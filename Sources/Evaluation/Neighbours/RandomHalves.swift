// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Random halves of rows, 64 times over, for the variance of metrics of neighbours.
///
/// Let H₁ and H₂ be a metric on two halves of the rows, each with half of the samples and half of the held-out rows.
/// They are independent, so E (H₁ − H₂)²/2 is the variance at half the rows, whatever the metric is; and the variance
/// of a metric that is a sum of local terms falls as 1/rows (Penrose and Yukich 2001, *Central limit theorems for some
/// graphs in computational geometry*). So (H₁ − H₂)²/4, averaged over 64 splits, estimates the variance at all rows.
///
/// Numbers of nearest neighbours are no smooth functions of the data: the jackknife counts what neighbours share twice
/// (Efron and Stein 1981), and the bootstrap, whose rows have copies of their own at distance 0, is inconsistent
/// (Abadie and Imbens 2008). Halves have neither fault.
enum RandomHalves {
  static let splits = 64

  /// Bit s of word i says in which half row i is in split s. The halves' sizes differ by at most 1.
  /// - Parameters:
  ///   - rows: how many there are.
  ///   - seed: keys the halves.
  ///   - part: 0 for samples, 1 for held-out rows.
  static func masks(rows: Int, seed: UInt64, part: Int) -> [UInt64] {
    var masks = [UInt64](repeating: 0, count: rows)
    let stream = NoiseStream(seed: seed, purpose: .halves)
    for split in 0..<splits {
      let keys = stream.uniforms(count: rows, dimension: 1, step: 2 * split + part).values
      let order = (0..<rows).sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
      // An odd row goes to either half in turn.
      for row in order.prefix((rows + split % 2) / 2) { masks[row] |= 1 << UInt64(split) }
    }
    return masks
  }

  /// An estimate whose interval follows from differences between halves.
  /// - Parameters:
  ///   - value: the metric of all rows.
  ///   - differences: H₁ − H₂ of each split; empty: there is no interval.
  ///   - scale: where the interval is symmetric.
  ///   - rows: how many rows a share of 0 or 1 is one of.
  static func estimate(_ value: Double, differences: [Double], scale: IntervalScale, rows: Int) -> Estimate {
    guard !differences.isEmpty else { return Estimate(value) }
    // The variance of a mean of such values is the average of (H₁ − H₂)²/4.
    let influences = differences.map { $0 * (Double(differences.count)).squareRoot() / 2 }
    // A share of 0 or 1 is that of so many rows, whatever its halves say.
    let isExtreme = scale == .share && (value == 0 || value == 1)
    let spread = Spread([.init(mean: isExtreme ? influences.map { _ in 0 } : influences)])
    let bounds = spread.flatMap { scale.interval(value, $0, rows: rows) }
    return Estimate(
      value, low: bounds?.low, high: bounds?.high, sampleInfluences: [], heldOutInfluences: influences, scale: scale)
  }
}

extension Purpose {
  /// Halves of rows.
  static let halves = Purpose(rawValue: 40)
  /// Which fold a row is in.
  static let folds = Purpose(rawValue: 41)
  /// Permuted labels.
  static let permutations = Purpose(rawValue: 42)
  /// The order in which a classifier sees rows.
  static let epochs = Purpose(rawValue: 43)
  /// Rows that cells begin at.
  static let cells = Purpose(rawValue: 44)
}
