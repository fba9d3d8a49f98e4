// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core
import Glibc

/// The Vendi score (Friedman and Dieng 2023, eq. 2): exp(−Σ λ ln λ) over the eigenvalues λ of K/b, of blocks of b = 50
/// samples, on average. It says how many samples of 50 are really different: from 1, all are equal, to 50, no two are
/// alike.
///
/// The kernel is K_ij = exp(−|x_i − x_j|²/(2 h²)), with 1 on its diagonal as the score asks for, and h half the median
/// distance among the first 1,000 held-out rows; values are taken as they are. The score of all n samples at once would
/// grow with n, by an amount that depends on the kernel, and would cost n³; that of 50 does not depend on n, and can be
/// compared with that of data, whatever the counts. Samples are dealt to blocks by the seed; up to 49 are left out.
///
/// Blocks are independent, so the interval is Student's for the mean of their scores, on a logarithmic scale; the
/// held-out rows' part is that of the median distance (`MedianDistance`), times the score's derivative by h. It has no
/// interval below 100 samples; below 50 there is one smaller block.
public struct VendiScore: Metric {
  /// How many samples a block has.
  public let rows: Int

  /// - Parameter rows: how many samples a block has, at least 2.
  public init(rows: Int = 50) {
    precondition(rows > 1)
    self.rows = rows
  }

  public var isSharedByRanks: Bool { true }
  public var better: Direction { .higher }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  /// - Throws: `InputError` where the median distance of the held-out rows is 0, and for values that are not finite.
  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireRows(atLeast: fewestRows)
    try comparison.requireFiniteDistances()
    let median = comparison.reference.once("median distance and influences") { MedianDistance(comparison.heldOut) }
    guard median.value > 0 else {
      throw InputError("the median distance of the held-out rows is 0, which gives no kernel")
    }
    let samples = comparison.samples
    let keys = NoiseStream(seed: comparison.seed, purpose: .halves).uniforms(
      count: samples.count, dimension: 1, step: 1 << 20
    ).values
    let order =
      samples.count <= rows
      ? Array(0..<samples.count)
      : (0..<samples.count).sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
    let size = min(rows, samples.count)
    func scores(_ width: Double) throws -> [Double] {
      try parallelMap(samples.count / size, threads: comparison.threads) { block in
        Self.score(samples, order[block * size..<(block + 1) * size], inverseWidth: 1 / (2 * width * width))
      }
    }
    func mean(_ scores: [Double]) -> Double { scores.reduce(0, +) / Double(scores.count) }
    let width = median.value / 2
    let blocks = try scores(width)
    let value = mean(blocks)
    guard blocks.count > 1 else { return Estimate(value) }
    let derivative = (mean(try scores(1.05 * width)) - mean(try scores(width / 1.05))) / (2 * log(1.05))
    return Estimate(
      value, sampleInfluences: blocks.map { $0 - value }, heldOutInfluences: median.influences.map { derivative * $0 },
      scale: .logarithm)
  }

  /// The score of some samples, under exp(−inverseWidth |x − y|²).
  private static func score(_ samples: Batch, _ places: ArraySlice<Int>, inverseWidth: Double) -> Double {
    let (n, start) = (places.count, places.startIndex)
    guard n > 1 else { return 1 }
    let matrix = gsl_matrix_alloc(n, n)!
    let values = gsl_vector_alloc(n)!
    let workspace = gsl_eigen_symm_alloc(n)
    defer {
      gsl_eigen_symm_free(workspace)
      gsl_vector_free(values)
      gsl_matrix_free(matrix)
    }
    for i in 0..<n {
      gsl_matrix_set(matrix, i, i, 1 / Double(n))
      for k in 0..<i {
        var square = 0.0
        for j in 0..<samples.dimension {
          let difference = samples[places[start + i], j] - samples[places[start + k], j]
          square += difference * difference
        }
        let kernel = exp(-inverseWidth * square) / Double(n)
        gsl_matrix_set(matrix, i, k, kernel)
        gsl_matrix_set(matrix, k, i, kernel)
      }
    }
    gsl_eigen_symm(matrix, values, workspace)
    var entropy = 0.0
    for i in 0..<n {
      let eigenvalue = gsl_vector_get(values, i)
      // Rounding may take one of 0 below it.
      if eigenvalue > 0 { entropy -= eigenvalue * log(eigenvalue) }
    }
    return exp(entropy)
  }
}
