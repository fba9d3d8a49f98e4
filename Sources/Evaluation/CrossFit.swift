// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The second-order part of a metric's variance, from influences that halves of the rows give.
///
/// Influences that are estimated from all rows have the variance J = F + 2 w, where the metric has F + w: F is that of
/// the influences of the laws themselves, and w what second-order terms add, which noise in the influences counts twice.
/// Influences from the even rows and from the odd rows have independent noise, so that their covariance over all rows is
/// F without it. w = (J − F)/2 is the estimate's excess.
enum CrossFit {
  /// The even rows, or the odd ones, of a batch.
  static func half(_ batch: Batch, _ odd: Int) -> Batch { batch.only(places(batch.count, odd)) }

  static func places(_ count: Int, _ odd: Int) -> [Int] { Array(stride(from: odd, to: count, by: 2)) }

  /// - Parameters:
  ///   - all: the influences of rows.
  ///   - halves: for the same rows, those from the even rows and from the odd ones.
  /// - Returns: w of these rows.
  static func excess(_ all: [Double], _ halves: ([Double], [Double])) -> Double {
    let count = Double(all.count)
    func covariance(_ a: [Double], _ b: [Double]) -> Double {
      let (meanA, meanB) = (a.reduce(0, +) / count, b.reduce(0, +) / count)
      return zip(a, b).reduce(0) { $0 + ($1.0 - meanA) * ($1.1 - meanB) } / (count - 1)
    }
    let whole = covariance(all, all)
    return (whole - min(max(0, covariance(halves.0, halves.1)), whole)) / (2 * count)
  }

  /// Rows of which halves are still enough for a metric that needs two.
  static let fewestRows = 8
}
