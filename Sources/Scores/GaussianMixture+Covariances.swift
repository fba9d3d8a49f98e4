// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What a floor above makes new mixtures of, as the posterior of an observation.
extension GaussianMixture {
  /// Σ_k, D × D
  public func covarianceMatrix(_ k: Int) -> Matrix {
    var matrix = Matrix(rows: dimension, columns: dimension)
    for i in 0..<dimension {
      for j in 0..<dimension { matrix[i, j] = covariance(k, i, j) }
    }
    return matrix
  }

  /// The variances of all components and coordinates, K × D, where every Σ_k is diagonal; else nil.
  public var diagonalVariances: [Double]? {
    switch shape {
    case .isotropic(let variances): variances.flatMap { [Double](repeating: $0, count: dimension) }
    case .diagonal(let variances): variances
    case .full: nil
    }
  }

  /// For each component the first one that has the same covariance.
  public var firstOfEqualCovariance: [Int] {
    let d = dimension
    func hasEqual(_ a: Int, _ b: Int) -> Bool {
      switch shape {
      case .isotropic(let variances): variances[a] == variances[b]
      case .diagonal(let variances): variances[a * d..<(a + 1) * d].elementsEqual(variances[b * d..<(b + 1) * d])
      case .full(let values, let vectors):
        values[a * d..<(a + 1) * d].elementsEqual(values[b * d..<(b + 1) * d])
          && (vectors.count == d * d
            || vectors[a * d * d..<(a + 1) * d * d].elementsEqual(vectors[b * d * d..<(b + 1) * d * d]))
      }
    }
    var firsts: [Int] = []
    for k in 0..<componentCount {
      firsts.append(firsts.indices.first { firsts[$0] == $0 && hasEqual($0, k) } ?? k)
    }
    return firsts
  }

  /// A mixture of diagonal covariances, some or all of which may be 0.
  /// - Parameters:
  ///   - weights: 0 or more, with a positive sum. Components of weight 0 are left out.
  ///   - means: K × D
  ///   - variances: K × D, 0 or more.
  public init(weights: [Double], means: Batch, variances: [Double]) {
    let (d, kept) = (means.dimension, weights.indices.filter { weights[$0] > 0 })
    let values = kept.flatMap { variances[$0 * d..<($0 + 1) * d] }
    self.init(
      weights: Self.normalised(weights, kept), means: means.only(kept),
      shape: Self.simplest(diagonal: values, dimension: d))
  }

  /// A mixture of covariances that are known by their eigenvalues, 0 or more, and orthonormal eigenvectors, as columns.
  /// Where all have the same eigenvectors, scores are evaluated in their coordinates: D² + K D operations a row.
  public init(weights: [Double], means: Batch, covariances: [(values: [Double], vectors: Matrix)]) {
    let kept = weights.indices.filter { weights[$0] > 0 }
    let areShared = kept.allSatisfy { covariances[$0].vectors.values == covariances[kept[0]].vectors.values }
    self.init(
      weights: Self.normalised(weights, kept), means: means.only(kept),
      shape: .full(
        values: kept.flatMap { covariances[$0].values.map { max(0, $0) } },
        vectors: (areShared ? Array(kept.prefix(1)) : kept).flatMap { covariances[$0].vectors.transpose.values }))
  }

  private static func normalised(_ weights: [Double], _ kept: [Int]) -> [Double] {
    let sum = kept.reduce(0) { $0 + weights[$1] }
    return kept.map { weights[$0] / sum }
  }
}

extension Batch {
  fileprivate func only(_ rows: [Int]) -> Batch { Batch(values: rows.flatMap { row($0) }, dimension: dimension) }
}
