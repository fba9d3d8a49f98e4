// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc

/// The exact score of a Gaussian mixture under a linear process: with state moments Φ, C and the matrix E that puts data into a
/// state, a mixture with means Φ E μ_k and covariances Φ E Σ_k Eᵀ Φᵀ + C.
///
/// Where all Σ_k are one multiple of I (the training set itself, say) they share one small matrix L Lᵀ, and the states are
/// evaluated as x′ = L⁻¹ x, a mixture of unit variances; else each component has a dense precision.
public struct LinearMixtureScore: Score {
  public let mixture: GaussianMixture
  public let kernel: any LinearKernel
  private let blocks, dataBlocks: Int

  public init(_ mixture: GaussianMixture, process: some LinearSDE) {
    self.mixture = mixture
    kernel = process.makeLinearKernel()
    blocks = process.blocks
    dataBlocks = process.dataBlocks
  }

  public var traits: ScoreTraits { [.logDensity, .jacobian] }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    let dimension = mixture.dimension / dataBlocks * blocks
    guard mixture.dimension % dataBlocks == 0, rows.dimension == dimension else {
      throw InputError("states of \(rows.dimension) values for a mixture whose states have \(dimension)")
    }
    return Evaluator(self, rows)
  }

  /// The variance that all components share; nil where they differ.
  private var commonVariance: Double? {
    guard case .isotropic(let variances) = mixture.shape else { return nil }
    return variances.allSatisfy { $0 == variances[0] } ? variances[0] : nil
  }

  final class Evaluator: ScoreEvaluator {
    private let score: LinearMixtureScore
    private let dimension: Int
    private let commonVariance: Double?
    private let logWeights: [Double]
    private let means, precisions, coefficients, scratch: UnsafeMutablePointer<Double>
    private var table: ck_mixture
    private var tableTime = Double.nan
    private var linearised: Linearisation?
    // Of the whitened case: L⁻¹ and its transpose, and states, directions and results in those coordinates.
    private var inverse = Matrix.identity(1)
    private var adjoint = Matrix.identity(1)
    private let white: [RowStorage]

    init(_ score: LinearMixtureScore, _ rows: RowSpan) {
      self.score = score
      dimension = rows.dimension
      commonVariance = score.commonVariance
      let k = score.mixture.componentCount
      logWeights = score.mixture.weights.map { log($0) }
      means = .allocate(capacity: k * dimension)
      precisions = .allocate(capacity: commonVariance == nil ? k * dimension * dimension : k)
      coefficients = .allocate(capacity: k)
      scratch = .allocate(capacity: ck_mixture_scratch(k, dimension))
      white = commonVariance == nil ? [] : (0..<3).map { _ in RowStorage(rows) }
      let structure = commonVariance == nil ? CK_FULL : CK_ISOTROPIC
      table = ck_mixture(
        components: k, dimension: dimension, structure: Int32(structure.rawValue), means: means,
        precisions: precisions, log_coefficients: coefficients)
    }

    deinit {
      means.deallocate()
      precisions.deallocate()
      coefficients.deallocate()
      scratch.deallocate()
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      forEachBlock(x, times) { x, range in
        ck_mixture_evaluate(&table, x.values, x.count, s[range].values, nil, nil, nil, scratch)
        finish(s[range])
      }
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = Linearisation(x, times)
      try evaluate(x, at: times, into: s)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard let linearised else { preconditionFailure("a product before there is a linearisation") }
      forEachBlock(linearised.x, linearised.times) { x, range in
        let direction = commonVariance == nil ? v[range] : transformed(v[range], by: inverse, in: 1)
        ck_mixture_evaluate(&table, x.values, x.count, nil, nil, direction.values, out[range].values, scratch)
        finish(out[range])
      }
    }

    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) {
      forEachBlock(x, times) { x, range in
        ck_mixture_evaluate(&table, x.values, x.count, nil, out + range.lowerBound, nil, nil, scratch)
      }
    }

    /// A gradient in x′ becomes one in x: s = L⁻ᵀ s′.
    private func finish(_ s: Rows) {
      guard commonVariance != nil else { return }
      s.copy(transformed(s, by: adjoint, in: 2))
    }

    private func transformed(_ x: Rows, by matrix: Matrix, in slot: Int) -> Rows {
      let result = white[slot].view(like: x)
      result.fill(0)
      result.add(matrix, x, times: 1)
      return result
    }

    /// Calls `body` on runs of rows that share a time, in the table's coordinates.
    private func forEachBlock(_ x: Rows, _ times: Times, _ body: (_ x: Rows, _ range: Range<Int>) -> Void) {
      times.forEachRun(x.count) { range, t in
        prepare(t)
        body(commonVariance == nil ? x[range] : transformed(x[range], by: inverse, in: 0), range)
      }
    }

    /// Fills the table with the means, precisions and coefficients of pₜ.
    private func prepare(_ t: Double) {
      if t == tableTime { return }
      tableTime = t
      let moments = score.kernel.moments(at: t)
      let map = moments.propagator.columns(0..<score.dataBlocks)
      let mixture = score.mixture
      let k = mixture.componentCount
      let width = dimension / score.blocks
      if let variance = commonVariance {
        let root = (variance * (map * map.transpose) + moments.covariance).lowerCholesky
        // Not positive definite where there is no noise yet: the score is not finite, and so reported.
        let lower = root ?? Matrix.diagonal([Double](repeating: .nan, count: score.blocks))
        inverse = lower.lowerInverse
        adjoint = inverse.transpose
        let logRoots = (0..<score.blocks).reduce(0) { $0 + log(lower[$1, $1]) } * Double(width)
        let unit = 0.5 * Double(dimension) * log(2 * .pi)
        set(means: inverse * map)
        for c in 0..<k {
          precisions[c] = 1
          coefficients[c] = logWeights[c] - unit - logRoots
        }
        return
      }
      set(means: map)
      let wide = map.expanded(width: width)
      let noise = moments.covariance.expanded(width: width)
      let size = dimension * dimension
      for c in 0..<k {
        var covariance = Matrix(rows: mixture.dimension, columns: mixture.dimension)
        for i in 0..<mixture.dimension {
          for j in 0..<mixture.dimension { covariance[i, j] = mixture.covariance(c, i, j) }
        }
        let root = (wide * covariance * wide.transpose + noise).lowerCholesky
        let lower = root ?? Matrix.diagonal([Double](repeating: .nan, count: dimension))
        let inverse = lower.lowerInverse
        let precision = inverse.transpose * inverse
        for i in 0..<size { precisions[c * size + i] = precision.values[i] }
        let logRoots = (0..<dimension).reduce(0) { $0 + log(lower[$1, $1]) }
        coefficients[c] = logWeights[c] - 0.5 * Double(dimension) * log(2 * .pi) - logRoots
      }
    }

    private func set(means map: Matrix) {
      let (k, d) = (score.mixture.componentCount, score.mixture.dimension)
      means.update(repeating: 0, count: k * dimension)
      let width = d / map.columns
      score.mixture.means.values.withUnsafeBufferPointer { values in
        map.values.withUnsafeBufferPointer {
          ck_add_blocks(means, $0.baseAddress!, map.rows, map.columns, width, 1, values.baseAddress!, k)
        }
      }
    }
  }
}
