// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes

/// Whether samples that begin at the prior can have the law of the data: x_T must have forgotten it.
///
/// A column of mean μ and deviation s is at T of mean m μ and deviation S = √(m² s² + v), where the prior says 0 and
/// √p. The probability flow of a Gaussian law is affine, x_0 = μ + (s/S) (x_T − m μ), so that from the prior it ends at
///
///     mean  μ − s (m μ/S),   deviation  s (√p/S),
///
/// whatever the solver: this is the exact answer to the wrong question. Of other shapes, x_T keeps the share c = m s/S
/// of the data, and so c³ of its skewness and c⁴ of its kurtosis, of which the prior has nothing. A warning is due
/// where the mean is off by more than 0.05 deviations, the deviation by more than 5 %, or where c³ is above 0.05: what
/// 1,500 samples begin to show, whose mean has a standard error of 0.026 deviations.
///
/// With matrices, the same is said of each block of a state, with the diagonal of its covariance.
struct PriorWarning {
  static let tolerance = 0.05

  let plan: ExperimentPlan
  let preview: DataPreview

  /// One column at T.
  private struct End {
    let column: Int
    let mean, deviation: Double
    /// m μ/S, √p/S and m s/S.
    let shift, ratio, share: Double

    func isReached(knowsShape: Bool) -> Bool {
      abs(shift) <= tolerance && abs(ratio - 1) <= tolerance && (knowsShape || pow(share, 3) <= tolerance)
    }
  }

  var lines: [(key: String, text: String)] {
    // Bridges begin where they are told to, however much of the data is left at T.
    if plan.model.traits.contains(.pathAlone) { return [] }
    let inner = plan.prepared.transformed?.process ?? plan.prepared
    guard preview.seen.count > 1, let kernel = inner.kernel, let linear = inner.linear else { return [] }
    let end = kernel.moments(at: inner.duration)
    let prior = linear.priorCovariance(under: kernel)
    let ends = self.ends(end, prior)
    // The shape of a Gaussian is all in its moments.
    let knowsShape = preview.law?.componentCount == 1
    let wrong = ends.filter { !$0.isReached(knowsShape: knowsShape) }
    func size(_ end: End) -> Double {
      max(abs(end.shift), abs(end.ratio - 1), knowsShape ? 0 : pow(end.share, 3))
    }
    guard let worst = wrong.max(by: { size($0) < size($1) }) else { return [] }
    // Standardised data have mean 0 and deviation 1.
    let total = (end.scale * end.scale + end.variance).squareRoot()
    let standard = End(
      column: 0, mean: 0, deviation: 1, shift: 0, ratio: prior[0, 0].squareRoot() / total, share: end.scale / total)
    let isPlain = plan.prepared.transformed == nil && end.blocks == nil
    let canStandardise = !preview.isStandardised && isPlain && standard.isReached(knowsShape: knowsShape)
    let remedy =
      canStandardise
      ? "coordinates: [{kind: standardise}]"
      : "more noise at T (a larger beta_max, sigma_max or volatility, more levels, or an end nearer to 1)"
    let whose = preview.image != nil ? "the data" : "column \(worst.column)"
    let others = wrong.count > 1 && preview.image == nil ? ", as \(wrong.count - 1) more" : ""
    return [
      (
        "process",
        "the prior is not reached: with m(T) = \(short(end.scale)) and σ(T) = \(short(end.deviation)), x_T keeps a share "
          + "of \(short(worst.share)) of \(whose) (mean \(short(worst.mean)), deviation "
          + "\(short(worst.deviation))\(others)); by the flow, the mean of samples would be off by "
          + "\(short(-worst.shift * worst.deviation)) and their deviation be \(short(worst.ratio)) times the data's; "
          + "remedy: \(remedy); `score-sde check` measures it"
      )
    ]
  }

  private func ends(_ end: Moments, _ prior: Matrix) -> [End] {
    // Covariances of wide laws take D² sums over their components.
    let law = preview.law.flatMap { $0.dimension <= 64 ? $0 : nil }
    let columns = law.map { ColumnMoments($0) } ?? ColumnMoments(preview.seen)
    if let blocks = end.blocks { return self.ends(blocks, prior, columns) }
    let (m, v, p) = (end.scale, end.variance, prior[0, 0].squareRoot())
    let all = columns.means.indices.map { j in
      let (mean, deviation) = (columns.means[j], columns.deviations[j])
      let total = (m * m * deviation * deviation + v).squareRoot()
      return End(
        column: j, mean: mean, deviation: deviation, shift: m * mean / total, ratio: p / total,
        share: m * deviation / total)
    }
    // A constant comes out as it is: the flow has nothing to spread.
    guard preview.image != nil else { return all.filter { $0.deviation > 0 } }
    // Pixels share their units: errors and deviations are means over all of them.
    let whole = columns.deviation
    guard whole > 0 else { return [] }
    func mean(_ value: (End) -> Double) -> Double { all.reduce(0) { $0 + value($1) } / Double(all.count) }
    let total = (m * m * whole * whole + v).squareRoot()
    return [
      End(
        column: 0, mean: mean(\.mean), deviation: whole,
        shift: mean { pow($0.shift * $0.deviation / whole, 2) }.squareRoot(), ratio: p / total, share: m * whole / total
      )
    ]
  }

  /// In states of several blocks: the data's blocks, and what else is in a state.
  private func ends(_ end: BlockMoments, _ prior: Matrix, _ columns: ColumnMoments) -> [End] {
    let (n, p) = (end.propagator.rows, end.dataBlocks)
    let width = columns.means.count / p
    // Covariances of columns that share a state are asked for below; they take p² sums over the rows.
    guard p <= 64, width * p == columns.means.count else { return [] }
    let rows = preview.seen
    var ends: [End] = []
    for k in 0..<min(width, 64) {
      let own = (0..<p).map { $0 * width + k }
      var covariance = Matrix(rows: p, columns: p)
      for a in 0..<p {
        for b in 0...a {
          let sum = (0..<rows.count).reduce(0.0) {
            $0 + (rows[$1, own[a]] - columns.means[own[a]]) * (rows[$1, own[b]] - columns.means[own[b]])
          }
          (covariance[a, b], covariance[b, a]) = (sum / Double(rows.count), sum / Double(rows.count))
        }
      }
      let kept = end.signal * covariance * end.signal.transpose
      for i in 0..<n {
        let mean = (0..<p).reduce(0) { $0 + end.signal[i, $1] * columns.means[own[$1]] }
        let total = (kept[i, i] + end.covariance[i, i]).squareRoot()
        let column = own[min(i, p - 1)]
        guard columns.deviations[column] > 0 else { continue }
        ends.append(
          End(
            column: column, mean: columns.means[column], deviation: columns.deviations[column], shift: mean / total,
            ratio: prior[i, i].squareRoot() / total, share: max(0, kept[i, i]).squareRoot() / total))
      }
    }
    return ends
  }
}
