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
    // Random bits, 32 from each of two uniforms.
    let bits = NoiseStream(seed: seed, purpose: .halves).uniforms(count: rows, dimension: 2, step: part)
    var masks = (0..<rows).map { row in
      UInt64(bits[row, 0] * 0x1p32) << 32 | UInt64(bits[row, 1] * 0x1p32)
    }
    // Rows of the larger half change over until both are equal: from a row on that differs from split to split, in
    // steps that lead far away.
    let far = (1...max(rows, 1)).first { $0 * 8 > rows * 5 && isCoprime($0, rows) } ?? 1
    for split in 0..<splits {
      let bit = UInt64(1) << UInt64(split)
      // An odd row goes to either half in turn.
      var surplus = masks.count { $0 & bit != 0 } - (rows + split % 2) / 2
      var row = rows == 0 ? 0 : split * far % rows
      while surplus != 0 {
        if (masks[row] & bit != 0) == (surplus > 0) {
          masks[row] ^= bit
          surplus += surplus > 0 ? -1 : 1
        }
        row = (row + far) % rows
      }
    }
    return masks
  }

  private static func isCoprime(_ a: Int, _ b: Int) -> Bool {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a == 1
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
