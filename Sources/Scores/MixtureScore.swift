// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// The exact score of a Gaussian mixture under a perturbation kernel: of synthetic data, or of a training set itself (a
/// mixture of points, the empirical score). With x_t ~ N(α x_0, C), p_t is the mixture with means α μ_k and covariances
/// α Σ_k αᵀ + C.
///
/// Where α and C are scalars each component keeps its own structure. Where they are matrices and all Σ_k are one
/// multiple of I (the training set, say), all components share one small covariance L Lᵀ and states are evaluated as x′
/// = L⁻¹ x, a mixture of unit variances; else each component has a dense precision. Scalars and full covariances with
/// the same eigenvectors V, as of posteriors of isotropic components, are evaluated as x′ = Vᵀ x, a mixture of diagonal
/// covariances.
public struct MixtureScore: Score {
  /// The law at t = 0.
  public let mixture: GaussianMixture
  /// The law of x_t given x_0.
  public let kernel: any PerturbationKernel

  /// The score of the mixture under a kernel.
  public init(_ mixture: GaussianMixture, kernel: any PerturbationKernel) {
    self.mixture = mixture
    self.kernel = kernel
  }

  public var traits: ScoreTraits { [.logDensity, .jacobian] }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    let dimension = kernel.blocks.stateDimension(of: mixture.dimension)
    guard mixture.dimension % kernel.blocks.data == 0, rows.dimension == dimension else {
      throw InputError("points of \(rows.dimension) values for a mixture whose states have \(dimension)")
    }
    return Evaluator(self, rows)
  }

  /// The table of p_t's components that the C kernel reads, made anew for each time.
  private final class Table {
    let means, precisions, coefficients: UnsafeMutablePointer<Double>
    var c: ck_mixture

    init(components k: Int, dimension d: Int, _ structure: ck_mixture_structure) {
      let count = structure == CK_ISOTROPIC ? k : structure == CK_DIAGONAL ? k * d : k * d * d
      means = .allocate(capacity: k * d)
      precisions = .allocate(capacity: count)
      coefficients = .allocate(capacity: k)
      c = ck_mixture(
        components: k, dimension: d, structure: Int32(structure.rawValue), means: means, precisions: precisions,
        log_coefficients: coefficients)
    }

    deinit {
      means.deallocate()
      precisions.deallocate()
      coefficients.deallocate()
    }
  }

  final class Evaluator: ScoreEvaluator {
    private let mixture: GaussianMixture
    private let kernel: any PerturbationKernel
    private let dimension: Int
    private let logWeights: [Double]
    private let table: Table
    private let scratch: UnsafeMutablePointer<Double>
    private var tableTime = Double.nan
    /// Where states are evaluated as x′ = L⁻¹ x: the variance that all components share, L⁻¹, its transpose, and rows
    /// for states, directions and results.
    private let commonVariance: Double?
    private var inverse = Matrix.identity(1)
    private var adjoint = Matrix.identity(1)
    /// Vᵀ, where states are evaluated as x′ = Vᵀ x, and V.
    private let basis: (forth: [Double], back: [Double])?
    private let white: [RowStorage]
    private var linearised: Linearisation?

    init(_ score: MixtureScore, _ rows: RowSpan) {
      mixture = score.mixture
      kernel = score.kernel
      dimension = rows.dimension
      logWeights = mixture.weights.map { log($0) }
      let common = kernel.isScalar ? nil : mixture.commonVariance
      commonVariance = common
      basis = kernel.isScalar ? mixture.sharedBasis : nil
      white = common == nil && basis == nil ? [] : (0..<3).map { _ in RowStorage(rows) }
      let structure =
        basis != nil
        ? CK_DIAGONAL : kernel.isScalar ? mixture.shape.structure : common == nil ? CK_FULL : CK_ISOTROPIC
      table = Table(components: mixture.componentCount, dimension: dimension, structure)
      scratch = .allocate(capacity: ck_mixture_scratch(mixture.componentCount, dimension))
    }

    deinit { scratch.deallocate() }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      forEachRun(x, times) { x, run in
        let target = s[run]
        ck_mixture_evaluate(&table.c, x.values, x.count, target.values, nil, nil, nil, scratch)
        turnBack(target)
      }
    }

    /// A product is made from the states anew, which costs about as much as a score.
    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      try evaluate(x, at: times, into: s)
      linearised = Linearisation(x, times)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard let linearised else { preconditionFailure("a product before there is a linearisation") }
      forEachRun(linearised.x, linearised.times) { x, run in
        var direction = v[run]
        if !white.isEmpty { direction = turned(direction, in: 1) }
        let target = out[run]
        ck_mixture_evaluate(&table.c, x.values, x.count, nil, nil, direction.values, target.values, scratch)
        turnBack(target)
      }
    }

    /// log pₜ(x) of every row; `out` has `x.count` values.
    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) {
      forEachRun(x, times) { x, run in
        ck_mixture_evaluate(&table.c, x.values, x.count, nil, out + run.lowerBound, nil, nil, scratch)
      }
    }

    /// A gradient in x′ becomes one in x: s = L⁻ᵀ s′, or V s′.
    private func turnBack(_ s: Rows) {
      if let basis {
        s.copy(multiplied(s, by: basis.back, in: 2))
      } else if commonVariance != nil {
        s.copy(transformed(s, by: adjoint, in: 2))
      }
    }

    /// x′ of states or directions.
    private func turned(_ x: Rows, in slot: Int) -> Rows {
      if let basis { return multiplied(x, by: basis.forth, in: slot) }
      return commonVariance == nil ? x : transformed(x, by: inverse, in: slot)
    }

    private func multiplied(_ x: Rows, by matrix: [Double], in slot: Int) -> Rows {
      let result = white[slot].view(like: x)
      ck_turn_rows(matrix, dimension, x.values, x.count, result.values, scratch)
      return result
    }

    private func transformed(_ x: Rows, by matrix: Matrix, in slot: Int) -> Rows {
      let result = white[slot].view(like: x)
      result.fill(0)
      result.add(matrix, x, times: 1)
      return result
    }

    /// Calls `body` on runs of rows that share a time, in the table's coordinates, with the table made for that time.
    private func forEachRun(_ x: Rows, _ times: Times, _ body: (_ x: Rows, _ run: Range<Int>) -> Void) {
      times.forEachRun(x.count) { run, t in
        prepare(t)
        body(turned(x[run], in: 0), run)
      }
    }

    /// Fills the table with the means, precisions and coefficients of pₜ.
    private func prepare(_ t: Double) {
      if t == tableTime { return }
      tableTime = t
      let moments = kernel.moments(at: t)
      guard let blocks = moments.blocks else { return prepareScalar(moments) }
      if let commonVariance { prepareWhite(blocks, commonVariance) } else { prepareDense(blocks) }
    }

    private func prepareScalar(_ moments: Moments) {
      if let basis, case .full(let values, _) = mixture.shape { return prepareTurned(moments, values, basis.forth) }
      let (k, d) = (mixture.componentCount, dimension)
      let square = moments.scale * moments.scale
      let (precisions, coefficients) = (table.precisions, table.coefficients)
      mixture.means.values.withUnsafeBufferPointer {
        ck_combine(table.means, moments.scale, $0.baseAddress!, 0, $0.baseAddress!, k * d)
      }
      switch mixture.shape {
      case .isotropic(let variances):
        var last = (variance: Double.nan, logDeterminant: 0.0)
        for c in 0..<k {
          let variance = square * variances[c] + moments.variance
          if variance != last.variance { last = (variance, Double(d) * log(2 * .pi * variance)) }
          precisions[c] = 1 / variance
          coefficients[c] = logWeights[c] - 0.5 * last.logDeterminant
        }
      case .diagonal(let variances):
        for c in 0..<k {
          var logDeterminant = 0.0
          for j in c * d..<(c + 1) * d {
            let variance = square * variances[j] + moments.variance
            precisions[j] = 1 / variance
            logDeterminant += log(2 * .pi * variance)
          }
          coefficients[c] = logWeights[c] - 0.5 * logDeterminant
        }
      case .full(let values, let vectors):
        for c in 0..<k {
          var logDeterminant = 0.0
          let matrix = precisions + c * d * d
          matrix.update(repeating: 0, count: d * d)
          for e in 0..<d {
            let variance = square * values[c * d + e] + moments.variance
            logDeterminant += log(2 * .pi * variance)
            let vector = GaussianMixture.start(ofVectors: vectors, c, dimension: d) + e * d
            for i in 0..<d {
              let scaled = vectors[vector + i] / variance
              for j in 0..<d { matrix[i * d + j] += scaled * vectors[vector + j] }
            }
          }
          coefficients[c] = logWeights[c] - 0.5 * logDeterminant
        }
      }
    }

    private func prepareTurned(_ moments: Moments, _ values: [Double], _ forth: [Double]) {
      let (k, d) = (mixture.componentCount, dimension)
      mixture.means.values.withUnsafeBufferPointer {
        ck_turn_rows(forth, d, $0.baseAddress!, k, table.means, scratch)
      }
      ck_combine(table.means, moments.scale, table.means, 0, table.means, k * d)
      for c in 0..<k {
        var logDeterminant = 0.0
        for j in c * d..<(c + 1) * d {
          let variance = moments.scale * moments.scale * values[j] + moments.variance
          table.precisions[j] = 1 / variance
          logDeterminant += log(2 * .pi * variance)
        }
        table.coefficients[c] = logWeights[c] - 0.5 * logDeterminant
      }
    }

    private func prepareWhite(_ moments: BlockMoments, _ variance: Double) {
      let (map, n) = (moments.signal, kernel.blocks.count)
      let root = (variance * (map * map.transpose) + moments.covariance).lowerCholesky
      // Without noise the covariance is not positive definite; the score is not finite then, and reported as such.
      let lower = root ?? Matrix.diagonal([Double](repeating: .nan, count: n))
      inverse = lower.lowerInverse
      adjoint = inverse.transpose
      let logRoots = (0..<n).reduce(0) { $0 + log(lower[$1, $1]) } * Double(dimension / n)
      let unit = 0.5 * Double(dimension) * log(2 * .pi)
      setMeans(inverse * map)
      for c in 0..<mixture.componentCount {
        table.precisions[c] = 1
        table.coefficients[c] = logWeights[c] - unit - logRoots
      }
    }

    private func prepareDense(_ moments: BlockMoments) {
      let (map, width) = (moments.signal, dimension / kernel.blocks.count)
      setMeans(map)
      let wide = map.expanded(width: width)
      let noise = moments.covariance.expanded(width: width)
      let size = dimension * dimension
      for c in 0..<mixture.componentCount {
        let root = (wide * mixture.covarianceMatrix(c) * wide.transpose + noise).lowerCholesky
        let lower = root ?? Matrix.diagonal([Double](repeating: .nan, count: dimension))
        let inverse = lower.lowerInverse
        let precision = inverse.transpose * inverse
        for i in 0..<size { table.precisions[c * size + i] = precision.values[i] }
        let logRoots = (0..<dimension).reduce(0) { $0 + log(lower[$1, $1]) }
        table.coefficients[c] = logWeights[c] - 0.5 * Double(dimension) * log(2 * .pi) - logRoots
      }
    }

    /// The means, mapped.
    private func setMeans(_ map: Matrix) {
      let k = mixture.componentCount
      table.means.update(repeating: 0, count: k * dimension)
      mixture.means.values.withUnsafeBufferPointer { values in
        map.values.withUnsafeBufferPointer {
          ck_add_blocks(
            table.means, $0.baseAddress!, map.rows, map.columns, mixture.dimension / map.columns, 1,
            values.baseAddress!, k)
        }
      }
    }
  }
}
