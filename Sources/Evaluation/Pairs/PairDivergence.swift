// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The unbiased two-sample U-statistic of a symmetric kernel k, and what its variance is made of:
///
///     T = mean_{i≠j} k(x_i, x_j) + mean_{i≠j} k(y_i, y_j) − 2 mean_{ij} k(x_i, y_j).
///
/// Its first-order influences are Hájek's projections, from the same sums (Hoeffding 1948; Serfling 1980, section 5.3):
/// ψ(x_i) = 2 (ā_i − ā) − 2 (c̄_i − c̄), with ā_i the mean of k(x_i, ·) over the other samples and c̄_i over the held-out
/// rows. Estimated ψ carry the noise of these means: 4 ζ_xx/n² + 4 ζ_xy/(n m) in variance, where the second-order term
/// of T has 2 ζ_xx/n² + 4 ζ_xy/(n m) in all, and the held-out rows likewise; ζ is the variance of the kernel that is
/// centred by row and column. The difference is the estimate's excess.
struct PairDivergence: Sendable {
  let value: Double
  let sampleInfluences, heldOutInfluences: [Double]
  let excess: Estimate.Excess
  /// By how much the value with pairs of a row with itself is larger.
  let bias: Double

  /// The sums of one side with itself, and what its own pairs give.
  struct Side: Sendable {
    let sums: PairSums
    /// k(x_i, x_i), which is left out.
    let own: [Double]

    init(_ rows: Batch, _ panels: Panels, _ kernel: PairSums.Kernel, threads: Int) throws {
      sums = try PairSums(rows, panels, kernel, threads: threads)
      own =
        switch kernel {
        case .distance: [Double](repeating: 0, count: rows.count)
        case .gaussians: [Double](repeating: 1, count: rows.count)
        case .cubic(let scale):
          (0..<rows.count).map {
            let value = scale * rows.row($0).reduce(0) { $0 + $1 * $1 } + 1
            return value * value * value
          }
        }
    }

    /// The mean of k(x_i, ·) over other rows.
    var means: [Double] { zip(sums.rows, own).map { ($0 - $1) / Double(own.count - 1) } }
    /// The mean of k² over pairs of different rows.
    var meanSquare: Double {
      (sums.squares - own.reduce(0) { $0 + $1 * $1 }) / (Double(own.count) * Double(own.count - 1))
    }
  }

  /// - Parameters:
  ///   - x, y: samples and held-out rows with themselves.
  ///   - between: samples with held-out rows.
  ///   - sign: −1 for a distance, which takes the place of −k.
  init(_ x: Side, _ y: Side, between: PairSums, sign: Double) {
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    let (n, m) = (Double(x.own.count), Double(y.own.count))
    let (a, b) = (x.means, y.means)
    let (c, d) = (between.rows.map { $0 / m }, between.columns.map { $0 / n })
    let (meanA, meanB, meanC) = (mean(a), mean(b), mean(c))
    value = sign * (meanA + meanB - 2 * meanC)
    sampleInfluences = zip(a, c).map { sign * 2 * (($0 - meanA) - ($1 - meanC)) }
    heldOutInfluences = zip(b, d).map { sign * 2 * (($0 - meanB) - ($1 - meanC)) }
    func variance(_ meanSquare: Double, _ rows: [Double], _ columns: [Double], _ mean: Double) -> Double {
      let squares = { (values: [Double]) in values.reduce(0) { $0 + $1 * $1 } / Double(values.count) }
      return max(0, meanSquare - squares(rows) - squares(columns) + mean * mean)
    }
    let samples = variance(x.meanSquare, a, a, meanA)
    let heldOut = variance(y.meanSquare, b, b, meanB)
    let both = variance(between.squares / (n * m), c, d, meanC)
    bias = sign * ((mean(x.own) - meanA) / n + (mean(y.own) - meanB) / m)
    excess = Estimate.Excess(samples: 2 * samples / (n * n) + 4 * both / (n * m), heldOut: 2 * heldOut / (m * m))
  }

  /// The estimate, whose interval is that of a square: an unbiased value may lie below 0.
  /// - Parameter heldOut: what comes to the influences of held-out rows; empty for nothing.
  /// - Throws: `InputError` for a value that is not finite.
  func estimate(heldOut more: [Double] = []) throws -> Estimate {
    Estimate(
      try finite(value), sampleInfluences: sampleInfluences,
      heldOutInfluences: more.isEmpty ? heldOutInfluences : zip(heldOutInfluences, more).map { $0 + $1 },
      scale: .unbiasedSquare(bias: bias), excess: excess)
  }
}
