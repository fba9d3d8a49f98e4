// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// p(x) = Σ_k w_k N(x; μ_k, Σ_k): data whose score is known exactly under every affine process.
///
/// Perturbed by x_t = m x_0 + √v z it stays a mixture, with means m μ_k and covariances m² Σ_k + v I. The covariances
/// are kept as eigenvalues and eigenvectors, so that this is a sum of scalars.
public struct GaussianMixture: Sendable {
  enum Shape: Sendable {
    /// A variance per component.
    case isotropic([Double])
    /// A variance per component and coordinate.
    case diagonal([Double])
    /// Eigenvalues (K × D) and eigenvectors (K × D × D, a vector a row; D × D where all components share them).
    case full(values: [Double], vectors: [Double])
  }

  /// Where the eigenvectors of component k begin among `vectors`.
  static func start(ofVectors vectors: [Double], _ k: Int, dimension d: Int) -> Int {
    vectors.count == d * d ? 0 : k * d * d
  }

  /// D: how many values a point has.
  public let dimension: Int
  /// Positive, with sum 1. Components of weight 0 are left out.
  public let weights: [Double]
  /// K × D
  public let means: Batch
  let shape: Shape

  /// K: how many components have a weight above 0.
  public var componentCount: Int { weights.count }

  /// The smallest deviation of a component along any direction.
  public var smallestDeviation: Double? {
    switch shape {
    case .isotropic(let variances), .diagonal(let variances): variances.min().map { $0.squareRoot() }
    case .full(let values, _): values.min().map { max(0, $0).squareRoot() }
    }
  }

  /// The points, where all components are points; else nil.
  var points: Batch? {
    guard case .isotropic(let variances) = shape, variances.allSatisfy({ $0 == 0 }) else { return nil }
    return means
  }

  /// Any weights, means and full covariances.
  /// - Throws: `InputError` for weights that are negative or sum to 0, for shapes that disagree, and for a covariance
  ///   that is not symmetric positive definite.
  public init(weights: [Double], means: [[Double]], covariances: [[[Double]]]) throws {
    let kept = try Self.kept(weights, means)
    guard covariances.count == means.count else {
      throw InputError("\(covariances.count) covariances for \(means.count) means")
    }
    let d = means[0].count
    var values: [Double] = []
    var vectors: [Double] = []
    var isDiagonal = true
    for k in kept {
      let matrix = covariances[k]
      guard matrix.count == d, matrix.allSatisfy({ $0.count == d }) else {
        throw InputError("covariance \(k + 1) is not \(d) × \(d), the dimension of the means")
      }
      for i in 0..<d {
        for j in 0..<i {
          guard abs(matrix[i][j] - matrix[j][i]) <= 1e-12 * max(abs(matrix[i][i]), abs(matrix[j][j])) else {
            throw InputError("covariance \(k + 1) is not symmetric: \(matrix[i][j]) and \(matrix[j][i])")
          }
          if matrix[i][j] != 0 { isDiagonal = false }
        }
      }
      let (eigenvalues, eigenvectors) = Matrix(matrix).symmetricEigen
      guard let smallest = eigenvalues.min(), smallest > 0, eigenvalues.allSatisfy(\.isFinite) else {
        throw InputError(
          "covariance \(k + 1) is not positive definite: its smallest eigenvalue is \(eigenvalues.min() ?? .nan)")
      }
      values += eigenvalues
      vectors += eigenvectors.transpose.values
    }
    if isDiagonal {
      let variances = kept.flatMap { k in (0..<d).map { covariances[k][$0][$0] } }
      self.init(kept, weights, means, shape: Self.simplest(diagonal: variances, dimension: d))
    } else {
      self.init(kept, weights, means, shape: .full(values: values, vectors: vectors))
    }
  }

  /// Isotropic components of the given standard deviations.
  public init(weights: [Double], means: [[Double]], deviations: [Double]) throws {
    let kept = try Self.kept(weights, means)
    guard deviations.count == means.count else {
      throw InputError("\(deviations.count) deviations for \(means.count) means")
    }
    if let k = kept.first(where: { !(deviations[$0] > 0 && deviations[$0].isFinite) }) {
      throw InputError("deviation \(k + 1) is \(deviations[k]); allowed: above 0")
    }
    self.init(kept, weights, means, shape: .isotropic(kept.map { deviations[$0] * deviations[$0] }))
  }

  /// Equal masses at points: the empirical distribution of a data set.
  public init(points: Batch) {
    precondition(points.count > 0, "no points")
    dimension = points.dimension
    weights = [Double](repeating: 1 / Double(points.count), count: points.count)
    means = points
    shape = .isotropic([Double](repeating: 0, count: points.count))
  }

  /// A mixture of components that are known to be valid.
  init(weights: [Double], means: Batch, shape: Shape) {
    self.weights = weights
    self.means = means
    self.shape = shape
    dimension = means.dimension
  }

  private init(_ kept: [Int], _ weights: [Double], _ means: [[Double]], shape: Shape) {
    let sum = kept.reduce(0) { $0 + weights[$1] }
    self.weights = kept.map { weights[$0] / sum }
    self.means = Batch(rows: kept.map { means[$0] })
    dimension = self.means.dimension
    self.shape = shape
  }

  /// The indices of components with a positive weight, after all checks on weights and means.
  private static func kept(_ weights: [Double], _ means: [[Double]]) throws -> [Int] {
    guard let d = means.first?.count, d > 0 else { throw InputError("a mixture needs at least one mean") }
    guard weights.count == means.count else { throw InputError("\(weights.count) weights for \(means.count) means") }
    if let k = means.indices.first(where: { means[$0].count != d }) {
      throw InputError("mean \(k + 1) has \(means[k].count) values, mean 1 has \(d)")
    }
    if let k = means.indices.first(where: { !means[$0].allSatisfy(\.isFinite) }) {
      throw InputError("mean \(k + 1) is not finite")
    }
    if let k = weights.indices.first(where: { !(weights[$0] >= 0 && weights[$0].isFinite) }) {
      throw InputError("weight \(k + 1) is \(weights[k]); allowed: 0 or more")
    }
    let sum = weights.reduce(0, +)
    guard sum > 0, sum.isFinite else { throw InputError("the weights sum to \(sum); allowed: a positive sum") }
    return weights.indices.filter { weights[$0] > 0 }
  }

  static func simplest(diagonal variances: [Double], dimension d: Int) -> Shape {
    let isotropic = stride(from: 0, to: variances.count, by: d).allSatisfy { k in
      variances[k..<k + d].allSatisfy { $0 == variances[k] }
    }
    return isotropic
      ? .isotropic(stride(from: 0, to: variances.count, by: d).map { variances[$0] }) : .diagonal(variances)
  }
}
