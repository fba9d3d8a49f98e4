// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The second-order part of a metric's variance, from influences that halves of the rows give.
///
/// Influences that are estimated from all rows have the variance J = F + 2 w, where the metric has F + w: F is that of
/// the influences of the laws themselves, and w what second-order terms add, which noise in the influences counts
/// twice. Influences from one half of the rows and from the other have independent noise, so that their covariance over
/// all rows is F without it. w = (J − F)/2 is the estimate's excess. `Deal` makes the halves.
enum CrossFit {
  /// A half of a batch, 0 or 1.
  static func half(_ batch: Batch, _ half: Int) -> Batch { batch.only(Deal.rows(half, of: 2, count: batch.count)) }

  /// - Parameters:
  ///   - all: the influences of rows.
  ///   - halves: for the same rows, those from each half.
  /// - Returns: w of these rows.
  static func excess(_ all: [Double], _ halves: ([Double], [Double])) -> Double {
    let whole = covariance(all, all)
    // Influences of rows that they come from differ from those of others, and the other way about for the other half:
    // covariances are those within halves.
    let rows = [0, 1].map { Deal.rows($0, of: 2, count: all.count) }
    let within = rows.reduce(0.0) { sum, rows in
      sum + Double(rows.count) / Double(all.count)
        * covariance(rows.map { halves.0[$0] }, rows.map { halves.1[$0] })
    }
    return Self.caution * (whole - min(max(0, within), whole)) / (2 * Double(all.count))
  }

  private static func covariance(_ a: [Double], _ b: [Double]) -> Double {
    let count = Double(a.count)
    let (meanA, meanB) = (a.reduce(0, +) / count, b.reduce(0, +) / count)
    return zip(a, b).reduce(0) { $0 + ($1.0 - meanA) * ($1.1 - meanB) } / (count - 1)
  }

  /// The part of w that counts. Its estimate is noisy, and a variance that is too small by chance loses more coverage
  /// than one that is too large wins: with all of it the intervals
  /// of laws that are nearly equal covered in 91 to 93 % of repeats.
  static let caution = 0.75

  /// Rows of which halves are still enough for a metric that needs two.
  static let fewestRows = 8
}
