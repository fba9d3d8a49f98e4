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

  /// A metric of both halves of a split.
  typealias Pair = (first: Double, second: Double)

  /// An estimate whose interval follows from differences between halves.
  /// - Parameters:
  ///   - value: the metric of all rows.
  ///   - halves: H₁ and H₂ of each split; empty: there is no interval.
  ///   - scale: where the interval is symmetric.
  static func estimate(_ value: Double, halves: [Pair], scale: IntervalScale) -> Estimate {
    let influences = influences(halves)
    let bounds = Spread([.init(mean: influences)]).flatMap { scale.interval(value, $0, rows: 0) }
    return Estimate(value, low: bounds?.low, high: bounds?.high, heldOutInfluences: influences, scale: scale)
  }

  /// An estimate of a share, with Wilson's interval at the number N of independent rows whose shares vary as much.
  ///
  /// Points that are in no ball lie together, as gaps hold several of them: N is smaller than the number of rows, by
  /// the design effect of survey sampling (Kish 1965), which halves of the rows have as the whole has. Both sides of
  /// s² = h (1 − h)/N come from halves: s² is the average of (H₁ − H₂)²/4, and h that of H₁ and H₂ in all splits. The
  /// share of all rows in place of h would be wrong near 0 and 1. It is noisy there; s² does not follow it; and twice
  /// as many rows leave fewer points outside. So N would be too large where the share is far from 1 by chance, and
  /// nothing would be known of it for a share of 1.
  /// - Parameters:
  ///   - value: the share of all rows.
  ///   - halves: H₁ and H₂ of each split; empty: there is no interval.
  ///   - rows: how many rows it is a share of: N where halves are all 0 or all 1.
  static func estimate(share value: Double, halves: [Pair], rows: Int) -> Estimate {
    let influences = influences(halves)
    guard let spread = Spread([.init(mean: influences)]) else { return Estimate(value) }
    let mean = halves.reduce(0) { $0 + ($1.first + $1.second) / 2 } / Double(halves.count)
    let count = spread.variance > 0 ? mean * (1 - mean) / spread.variance : Double(rows)
    let (low, high) = IntervalScale.wilson(value, count: count, quantile: spread.quantile)
    return Estimate(value, low: low, high: high, heldOutInfluences: influences, scale: .share)
  }

  /// Values of which the variance of the mean is the average of (H₁ − H₂)²/4.
  private static func influences(_ halves: [Pair]) -> [Double] {
    halves.map { ($0.first - $0.second) * Double(halves.count).squareRoot() / 2 }
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
