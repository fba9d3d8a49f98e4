// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc

/// The exact score of a Gaussian mixture under an affine process: of synthetic data, or of a training set itself
/// (a mixture of points, the empirical score).
public struct MixtureScore: Score {
  public let mixture: GaussianMixture
  public let kernel: any PerturbationKernel

  public init(_ mixture: GaussianMixture, kernel: any PerturbationKernel) {
    self.mixture = mixture
    self.kernel = kernel
  }

  public var traits: ScoreTraits { [.logDensity, .jacobian] }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == mixture.dimension else {
      throw InputError("points of \(rows.dimension) values for a mixture in \(mixture.dimension) dimensions")
    }
    return Evaluator(self)
  }

  public final class Evaluator: ScoreEvaluator {
    private let mixture: GaussianMixture
    private let kernel: any PerturbationKernel
    private let logWeights: [Double]
    private let means, precisions, coefficients, scratch: UnsafeMutablePointer<Double>
    private var table: ck_mixture
    private var tableTime = Double.nan
    private var linearised: Linearisation?

    init(_ score: MixtureScore) {
      mixture = score.mixture
      kernel = score.kernel
      let (k, d) = (mixture.componentCount, mixture.dimension)
      logWeights = mixture.weights.map { log($0) }
      let precisionCount =
        switch mixture.shape {
        case .isotropic: k
        case .diagonal: k * d
        case .full: k * d * d
        }
      means = .allocate(capacity: k * d)
      precisions = .allocate(capacity: precisionCount)
      coefficients = .allocate(capacity: k)
      scratch = .allocate(capacity: ck_mixture_scratch(k, d))
      let structure =
        switch mixture.shape {
        case .isotropic: CK_ISOTROPIC
        case .diagonal: CK_DIAGONAL
        case .full: CK_FULL
        }
      table = ck_mixture(
        components: k, dimension: d, structure: Int32(structure.rawValue), means: means, precisions: precisions,
        log_coefficients: coefficients)
    }

    deinit {
      means.deallocate()
      precisions.deallocate()
      coefficients.deallocate()
      scratch.deallocate()
    }

    public func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      times.forEachRun(x.count) { range, t in
        prepare(t)
        ck_mixture_evaluate(&table, x[range].values, range.count, s[range].values, nil, nil, nil, scratch)
      }
    }

    public func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = Linearisation(x, times)
      try evaluate(x, at: times, into: s)
    }

    public func pullback(_ v: Rows, into out: Rows) throws {
      guard let linearised else { preconditionFailure("a product before there is a linearisation") }
      let x = linearised.x
      linearised.times.forEachRun(x.count) { range, t in
        prepare(t)
        ck_mixture_evaluate(&table, x[range].values, range.count, nil, nil, v[range].values, out[range].values, scratch)
      }
    }

    /// log pₜ(x) of every row; `out` has `x.count` values.
    public func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) {
      times.forEachRun(x.count) { range, t in
        prepare(t)
        ck_mixture_evaluate(&table, x[range].values, range.count, nil, out + range.lowerBound, nil, nil, scratch)
      }
    }

    /// Fills the table with the means, precisions and coefficients of pₜ.
    private func prepare(_ t: Double) {
      if t == tableTime { return }
      tableTime = t
      let moments = kernel.moments(at: t)
      let (k, d) = (mixture.componentCount, mixture.dimension)
      let square = moments.scale * moments.scale
      mixture.means.values.withUnsafeBufferPointer {
        ck_combine(means, moments.scale, $0.baseAddress!, 0, $0.baseAddress!, k * d)
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
            let vector = (c * d + e) * d
            for i in 0..<d {
              let scaled = vectors[vector + i] / variance
              for j in 0..<d { matrix[i * d + j] += scaled * vectors[vector + j] }
            }
          }
          coefficients[c] = logWeights[c] - 0.5 * logDeterminant
        }
      }
    }
  }
}

extension GaussianMixture {
  /// The exact score of this mixture as data of `process`; nil where the process has no scalar kernel.
  public func score(under process: some SDE) -> MixtureScore? {
    process.makeKernel().map { MixtureScore(self, kernel: $0) }
  }

  /// The exact score of this mixture as data of an affine process.
  public func score(under process: some AffineSDE) -> MixtureScore {
    MixtureScore(self, kernel: process.makeKernel() ?? IntegratedKernel(of: process))
  }
}
