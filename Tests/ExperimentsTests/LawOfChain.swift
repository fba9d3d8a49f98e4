// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers

/// A Gaussian.
struct GaussianLaw {
  let mean: [Double]
  let covariance: Matrix

  /// That of x_t, where x_0 has this law.
  func under(_ moments: Moments, width: Int) -> GaussianLaw {
    let signal = moments.signal.matrix.expanded(width: width)
    let noise = moments.covariance.matrix.expanded(width: width)
    return GaussianLaw(
      mean: (0..<signal.rows).map { i in mean.indices.reduce(0) { $0 + signal[i, $1] * mean[$1] } },
      covariance: signal * covariance * signal.transpose + noise)
  }

  /// The largest error of a mean in deviations, or of a covariance over the two deviations.
  func distance(to other: GaussianLaw) -> Double {
    var worst = 0.0
    let deviations = other.covariance.diagonal.map { $0.squareRoot() }
    for i in mean.indices {
      worst = Self.larger(worst, abs(mean[i] - other.mean[i]) / deviations[i])
      for j in mean.indices {
        worst = Self.larger(
          worst, abs(covariance[i, j] - other.covariance[i, j]) / (deviations[i] * deviations[j]))
      }
    }
    return worst
  }

  /// The larger of two, where not a number is larger than all.
  private static func larger(_ a: Double, _ b: Double) -> Double { b.isFinite ? max(a, b) : .infinity }
}

/// The law that a solver's chain has, computed and not sampled.
///
/// Under the score of a Gaussian a step is affine in the state and in its noise, so that a row ends in
///
///     x = c + A ξ + Σ B_k z_k
///
/// with the standard normals ξ of its start and z_k of the streams (seed, purpose, row, step), which are all known.
/// More rows than there are normals give c, A and B by least squares, exactly where nothing else was drawn; then the
/// mean is c and the covariance A Aᵀ + Σ B_k B_kᵀ. What is not affine (an accept or refuse) is left as a residual, of
/// which the covariance is estimated: a sampling error of its part alone, and not of the whole.
final class ChainDesign: Sendable {
  struct Result {
    let law: GaussianLaw
    /// The standard error of an element of the covariance over the two deviations; of rounding where all is affine.
    let error: Double
  }

  let rows: Int
  let steps: Int
  private let seed: UInt64
  private let dimension: Int
  private let isCoupled: Bool
  /// For each family of coordinates that noise may join: the columns, and the matrix that solves for coefficients.
  private let families: [(columns: [[Double]], solving: [[Double]], spread: Double)]

  /// - Parameters:
  ///   - steps: how many steps the chains have.
  ///   - corrections: how many steps a corrector takes before each of them.
  ///   - dimension: of a state.
  ///   - isCoupled: whether the noise of one coordinate reaches others.
  init(steps: Int, corrections: Int, dimension: Int, isCoupled: Bool, seed: UInt64) {
    (self.steps, self.dimension, self.isCoupled, self.seed) = (steps, dimension, isCoupled, seed)
    // Symmetric splitting draws twice a step. Correctors and churn ask for scalar kernels.
    let streams: [(purpose: Purpose, perStep: Int)] =
      [(.predictor, 2), (.area, 1)] + (isCoupled ? [] : [(.corrector, corrections), (.churn, 1)])
    let draws = 1 + streams.reduce(0) { $0 + $1.perStep * steps }
    let count = 1 + draws * (isCoupled ? dimension : 1)
    // Twice as many rows as columns or so: the normals of so many rows are far from dependent.
    let rows = (count * 8 / 5 + 63) / 64 * 64
    self.rows = rows
    var normals = [NoiseStream(seed: seed, purpose: .prior).normals(count: rows, dimension: dimension)]
    for stream in streams {
      for step in 0..<stream.perStep * steps {
        normals.append(
          NoiseStream(seed: seed, purpose: stream.purpose).normals(count: rows, dimension: dimension, step: step))
      }
    }
    let groups = isCoupled ? [Array(0..<dimension)] : (0..<dimension).map { [$0] }
    families = groups.map { coordinates in
      var columns = [[Double](repeating: 1, count: rows)]
      for batch in normals {
        for j in coordinates { columns.append((0..<rows).map { batch[$0, j] }) }
      }
      return Self.solver(columns)
    }
  }

  /// (XᵀX)⁻¹ Xᵀ by Cholesky's factor, and the mean of (XᵀX)⁻¹'s diagonal.
  private static func solver(
    _ columns: [[Double]]
  ) -> (columns: [[Double]], solving: [[Double]], spread: Double) {
    let n = columns.count
    var lower = [[Double]](repeating: [Double](repeating: 0, count: n), count: n)
    func dot(_ a: [Double], _ b: [Double], _ count: Int) -> Double {
      a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
          var sum = 0.0
          for i in 0..<count { sum += a[i] * b[i] }
          return sum
        }
      }
    }
    for i in 0..<n {
      for j in 0...i {
        let rest = dot(columns[i], columns[j], columns[i].count) - dot(lower[i], lower[j], j)
        lower[i][j] = i == j ? rest.squareRoot() : rest / lower[j][j]
      }
    }
    var solving = columns
    for i in 0..<n {
      for k in 0..<i { solving[i].subtract(lower[i][k], solving[k]) }
      solving[i].scale(1 / lower[i][i])
    }
    var spread = 0.0
    for i in (0..<n).reversed() {
      for k in i + 1..<n where i + 1 < n { solving[i].subtract(lower[k][i], solving[k]) }
      solving[i].scale(1 / lower[i][i])
      // The diagonal of P Pᵀ = (XᵀX)⁻¹.
      spread += dot(solving[i], solving[i], solving[i].count)
    }
    return (columns, solving, spread)
  }

  /// The start of all rows: draws of a law by the normals ξ.
  func start(_ law: GaussianLaw) -> Batch {
    let normals = NoiseStream(seed: seed, purpose: .prior).normals(count: rows, dimension: dimension)
    let root = law.covariance.semidefiniteRoot
    var batch = Batch(count: rows, dimension: dimension)
    for row in 0..<rows {
      for i in 0..<dimension {
        batch[row, i] = (0..<dimension).reduce(law.mean[i]) { $0 + root[i, $1] * normals[row, $1] }
      }
    }
    return batch
  }

  /// The law of the ends.
  func law(of ends: Batch) -> Result {
    var (mean, covariance) = ([Double](), Matrix(rows: dimension, columns: dimension))
    var coefficients: [[Double]] = []
    var residuals: [[Double]] = []
    var spread = 0.0
    for j in 0..<dimension {
      let family = families[isCoupled ? 0 : j]
      let y = (0..<rows).map { ends[$0, j] }
      let found = family.solving.map { row in zip(row, y).reduce(0) { $0 + $1.0 * $1.1 } }
      var rest = y
      for (c, column) in zip(found, family.columns) { rest.subtract(c, column) }
      mean.append(found[0])
      coefficients.append(Array(found.dropFirst()))
      residuals.append(rest)
      spread = family.spread
    }
    let free = Double(rows - families[0].columns.count)
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    var worst = 0.0
    for i in 0..<dimension {
      for j in 0..<dimension {
        let rest = dot(residuals[i], residuals[j]) / free
        // Coordinates whose noise is their own have nothing in common. The residual also spreads the coefficients.
        let known = isCoupled || i == j ? dot(coefficients[i], coefficients[j]) : 0
        covariance[i, j] = known + rest * (1 - spread)
      }
      let (known, rest) = (dot(coefficients[i], coefficients[i]), dot(residuals[i], residuals[i]) / free)
      let error = (4 * rest * known / Double(rows) + 2 * rest * rest / free).squareRoot() / (known + rest)
      worst = max(worst, error)
    }
    return Result(law: GaussianLaw(mean: mean, covariance: covariance), error: worst)
  }
}

extension [Double] {
  fileprivate mutating func subtract(_ factor: Double, _ other: [Double]) {
    withUnsafeMutableBufferPointer { a in
      other.withUnsafeBufferPointer { b in for i in 0..<a.count { a[i] -= factor * b[i] } }
    }
  }

  fileprivate mutating func scale(_ factor: Double) {
    withUnsafeMutableBufferPointer { a in for i in 0..<a.count { a[i] *= factor } }
  }
}
