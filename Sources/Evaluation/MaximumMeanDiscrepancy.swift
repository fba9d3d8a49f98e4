// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The unbiased squared maximum mean discrepancy (Gretton et al. 2012, *A kernel two-sample test*, eq. 3) under the mean
/// of Gaussian kernels exp(−d²/(2 b²)) of widths b = ¼, ½, 1, 2, 4 times the median distance among the first 1,000
/// held-out rows. May fall slightly below 0.
///
/// Its interval covers the value between the two laws, by the theory of U-statistics: `PairDivergence`. To the influences
/// of held-out rows comes what they do to the median distance, times the derivative by it.
public struct MaximumMeanDiscrepancy: Metric {
  /// The widths b of the kernels, in median distances.
  public static let widths = [0.25, 0.5, 1, 2, 4]
  /// The metric has no parameters.
  public init() {}

  /// Pairs of different rows.
  public var fewestRows: Int { 2 }
  public var comparesAllPairs: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireFinite(atLeast: fewestRows)
    let (samples, threads) = (comparison.samples, comparison.threads)
    let panels = comparison.reference.panels
    let (own, scale, kernel) = try comparison.reference.once("mmd") {
      let median = try comparison.reference.medianDistance()
      // The widest kernel; each of the others is the fourth power of the one before it.
      let widest = Self.widths[4] * median
      let scale = 1 / (2 * widest * widest)
      let kernel = PairSums.Kernel.gaussians(scale)
      return (try PairDivergence.Side(comparison.heldOut, panels, kernel, threads: threads), scale, kernel)
    }
    let divergence = PairDivergence(
      try PairDivergence.Side(samples, Panels(samples), kernel, threads: threads), own,
      between: try PairSums(samples, panels, kernel, threads: threads), sign: 1)
    let slope = try slope(
      samples.prefix(MedianDistance.rows), comparison.heldOut.prefix(MedianDistance.rows), scale, threads)
    let median = comparison.reference.once("median distance and influences") { MedianDistance(comparison.heldOut) }
    return try divergence.estimate(heldOut: median.influences.map { slope * $0 })
  }

  /// The derivative by the logarithm of the width, from some rows.
  private func slope(_ x: Batch, _ y: Batch, _ scale: Double, _ threads: Int) throws -> Double {
    let step = 0.05
    let (left, right) = (Panels(x), Panels(y))
    func value(_ shift: Double) throws -> Double {
      let kernel = PairSums.Kernel.gaussians(scale * exp(-2 * shift))
      return PairDivergence(
        try .init(x, left, kernel, threads: threads), try .init(y, right, kernel, threads: threads),
        between: try PairSums(x, right, kernel, threads: threads), sign: 1
      ).value
    }
    return try (value(step) - value(-step)) / (2 * step)
  }

  /// The median of the distances between different rows.
  public static func medianDistance(_ batch: Batch) -> Double {
    let panels = Panels(batch)
    var squares: [Double] = []
    squares.reserveCapacity(batch.count * (batch.count - 1) / 2)
    batch.values.withUnsafeBufferPointer { values in
      guard let values = values.baseAddress else { return }
      panels.forEachBlock(values, 0..<batch.count) { block in
        for i in 0..<block.rows {
          let row = block.values + i * block.stride
          for j in 0..<block.columns where block.firstColumn + j < block.firstRow + i { squares.append(row[j]) }
        }
      }
    }
    guard !squares.isEmpty else { return 0 }
    squares.sort()
    return squares[squares.count / 2].squareRoot()
  }
}

extension Reference {
  /// The median distance among the first 1,000 held-out rows: the scale of kernels.
  /// - Throws: `InputError` where it is 0, or not finite.
  func medianDistance() throws -> Double {
    try once("median distance") {
      let rows = heldOut.prefix(1000)
      let median = MaximumMeanDiscrepancy.medianDistance(rows)
      guard median > 0 else {
        throw InputError("the median distance of the first \(rows.count) held-out rows is 0: more than half are equal")
      }
      return try finite(median)
    }
  }
}
