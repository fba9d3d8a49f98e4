// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Scores

/// The exact posterior of data whose law is a Gaussian mixture, given observations y = A x + e, e ~ N(0, C). It is a
/// mixture of as many components,
///
///     w_k′ ∝ w_k N(y; A μ_k, A Σ_k Aᵀ + C),   Σ_k′ = (Σ_k⁻¹ + Aᵀ C⁻¹ A)⁻¹,   μ_k′ = μ_k + Σ_k′ Aᵀ C⁻¹ (y − A μ_k).
///
/// With C = L Lᵀ, B = L⁻¹ A and a root Σ_k = R Rᵀ, Σ_k′ = Q Qᵀ with Q = R M⁻ᵀ and M Mᵀ = I + Rᵀ Bᵀ B R: no Σ_k is
/// inverted, so that components may be points, and small noise takes no digits. Weights are made in logarithms.
public struct PosteriorLaw: Sendable {
  /// The law of x.
  public let prior: GaussianMixture
  /// How x is seen.
  public let observation: LinearObservation
  /// What is the same for all observations, for each component; components of equal covariance share it.
  private let updates: [Update]
  private let updateOf: [Int]

  /// - Precondition: a mixture and an observation of the same dimension.
  public init(_ prior: GaussianMixture, _ observation: LinearObservation) {
    precondition(prior.dimension == observation.dimension, "a law and an observation of different dimensions")
    (self.prior, self.observation) = (prior, observation)
    let firsts = prior.firstOfEqualCovariance
    let distinct = firsts.indices.filter { firsts[$0] == $0 }
    let variances = prior.diagonalVariances
    let white = observation.white
    let isMask = white.hasSingleEntries
    // Made once for all components.
    lazy var seen = SeenDirections(white)
    updates = distinct.map { k in
      let d = prior.dimension
      guard let own = variances.map({ $0[k * d..<(k + 1) * d] }) else {
        return Update(dense: prior.covarianceMatrix(k), white)
      }
      if isMask || own.allSatisfy({ $0 == 0 }) { return Update(diagonal: Array(own), white) }
      let variance = own.first ?? 0
      guard own.allSatisfy({ $0 == variance }), let seen else {
        return Update(dense: prior.covarianceMatrix(k), white)
      }
      return Update(isotropic: variance, seen)
    }
    updateOf = firsts.map { first in distinct.firstIndex(of: first)! }
  }

  /// The posterior given one observation.
  public func mixture(given y: [Double]) -> GaussianMixture { mixtures(given: Batch(rows: [y]))[0] }

  /// The posterior given each of several observations, K × observed dimension.
  public func mixtures(given observations: Batch) -> [GaussianMixture] {
    let basis = updates.lazy.compactMap { $0.isotropic?.seen.basis }.first
    let eigen = updates.map { update -> (values: [Double], vectors: Matrix)? in
      if let isotropic = update.isotropic, let basis { return (isotropic.eigenvalues, basis) }
      return update.root?.covarianceEigen
    }
    return (0..<observations.count).map { row in
      let parts = self.parts(given: Array(observations.row(row)))
      if updates.allSatisfy({ $0.variances != nil }) {
        return GaussianMixture(
          weights: parts.weights, means: parts.means, variances: updateOf.flatMap { updates[$0].variances! })
      }
      return GaussianMixture(
        weights: parts.weights, means: parts.means,
        covariances: updateOf.map { eigen[$0] ?? (updates[$0].variances!, .identity(prior.dimension)) })
    }
  }

  /// log p(y), the evidence of an observation.
  public func logEvidence(of y: [Double]) -> Double { parts(given: y).logEvidence }

  /// Draws of the posterior: row i given observation i mod K. They depend on the stream and i alone, and need no
  /// eigenvectors, so that they are quick in many dimensions.
  /// - Parameters:
  ///   - count: how many rows.
  ///   - observations: K × observed dimension.
  ///   - stream: where the numbers come from.
  public func draw(_ count: Int, given observations: Batch, from stream: NoiseStream) -> Batch {
    let given = (0..<observations.count).map { parts(given: Array(observations.row($0))) }
    let choices = stream.uniforms(count: count, dimension: 1, step: 0)
    let normals = stream.normals(count: count, dimension: prior.dimension, step: 1)
    var draws = Batch(count: count, dimension: prior.dimension)
    for i in 0..<count {
      let own = given[i % given.count]
      var (sum, k) = (0.0, own.weights.count - 1)
      for (c, weight) in own.weights.enumerated() {
        sum += weight
        if choices.values[i] < sum {
          k = c
          break
        }
      }
      let update = updates[updateOf[k]]
      for j in 0..<prior.dimension { draws[i, j] = own.means[k, j] }
      if let isotropic = update.isotropic {
        let own = isotropic.draw(normals.row(i))
        for j in 0..<prior.dimension { draws[i, j] += own[j] }
      } else if let variances = update.variances {
        for j in 0..<prior.dimension { draws[i, j] += variances[j].squareRoot() * normals[i, j] }
      } else if let root = update.root {
        let d = prior.dimension
        for j in 0..<d {
          var sum = 0.0
          for e in 0..<d { sum += root.values[j * d + e] * normals.values[i * d + e] }
          draws[i, j] += sum
        }
      }
    }
    return draws
  }

  private func parts(given y: [Double]) -> (weights: [Double], means: Batch, logEvidence: Double) {
    let (k, b) = (prior.componentCount, observation.whitened(y))
    let unit = observation.logNormaliser
    var (means, logs) = (prior.means, [Double]())
    for c in 0..<k {
      let mean = Array(prior.means.row(c))
      let residual = zip(b, observation.white.times(mean)).map { $0 - $1 }
      let update = updates[updateOf[c]]
      let (shift, distance) = update.condition(residual, observation.white)
      for j in shift.indices { means[c, j] += shift[j] }
      logs.append(log(prior.weights[c]) + unit - 0.5 * (update.logDeterminant + distance))
    }
    let largest = logs.max() ?? 0
    let terms = logs.map { exp($0 - largest) }
    let sum = terms.reduce(0, +)
    return (terms.map { $0 / sum }, means, largest + log(sum))
  }

  /// What an observation makes of a covariance Σ, whatever its value.
  struct Update: Sendable {
    /// Q, with Σ′ = Q Qᵀ; nil where Σ′ is diagonal.
    let root: Matrix?
    /// The diagonal of Σ′, where it is all.
    let variances: [Double]?
    /// Σ′ by the directions that are seen, where Σ is a multiple of I.
    let isotropic: IsotropicUpdate?
    /// ln det (I + B Σ Bᵀ)
    let logDeterminant: Double
    /// The root of S = I + B Σ Bᵀ, where there are not more observed values than values.
    let evidenceRoot: Matrix?

    init(dense covariance: Matrix, _ white: SparseMatrix) {
      let d = covariance.rows
      let r = covariance.semidefiniteRoot
      let seen = white.dense * r
      let lower = (Matrix.identity(d) + seen.transpose * seen).lowerCholesky ?? Matrix.nan(d)
      root = r * lower.lowerInverse.transpose
      (variances, isotropic) = (nil, nil)
      logDeterminant = 2 * (0..<d).reduce(0) { $0 + log(lower[$1, $1]) }
      evidenceRoot =
        white.rows <= d ? (Matrix.identity(white.rows) + seen * seen.transpose).lowerCholesky : nil
    }

    /// For a Σ that is diagonal, and an A of which no row sees two values; or for Σ = 0.
    init(diagonal prior: [Double], _ white: SparseMatrix) {
      var precisions = [Double](repeating: 0, count: prior.count)
      for i in 0..<white.rows {
        for (column, value) in white.row(i) { precisions[column] += value * value }
      }
      (root, isotropic) = (nil, nil)
      variances = zip(prior, precisions).map { $0 / (1 + $0 * $1) }
      logDeterminant = zip(prior, precisions).reduce(0) { $0 + log1p($1.0 * $1.1) }
      evidenceRoot = nil
    }

    /// For Σ = s² I.
    init(isotropic variance: Double, _ seen: SeenDirections) {
      isotropic = IsotropicUpdate(variance: variance, seen: seen)
      (root, variances, evidenceRoot) = (nil, nil, nil)
      logDeterminant = seen.squares.reduce(0) { $0 + log1p(variance * $1) }
    }

    /// Σ′ Bᵀ r and rᵀ S⁻¹ r of a whitened residual r.
    func condition(_ r: [Double], _ white: SparseMatrix) -> (shift: [Double], distance: Double) {
      if let isotropic { return isotropic.condition(r) }
      let back = white.transposedTimes(r)
      var shift: [Double]
      if let variances {
        shift = zip(variances, back).map { $0 * $1 }
      } else {
        shift = root!.times(root!.transpose.times(back))
      }
      if let evidenceRoot {
        return (shift, evidenceRoot.solveLower(r).reduce(0) { $0 + $1 * $1 })
      }
      // S⁻¹ r = r − B Σ′ Bᵀ r, by Woodbury's identity.
      let inverse = zip(r, white.times(shift)).map { $0 - $1 }
      return (shift, zip(r, inverse).reduce(0) { $0 + $1.0 * $1.1 })
    }
  }
}

extension Matrix {
  /// M x
  func times(_ x: [Double]) -> [Double] {
    (0..<rows).map { i in
      var sum = 0.0
      for j in 0..<columns { sum += values[i * columns + j] * x[j] }
      return sum
    }
  }

  /// L⁻¹ x of a lower triangular L.
  func solveLower(_ x: [Double]) -> [Double] {
    var out = x
    for i in 0..<rows {
      for j in 0..<i { out[i] -= values[i * columns + j] * out[j] }
      out[i] /= values[i * columns + i]
    }
    return out
  }

  /// The eigenvalues and vectors of Q Qᵀ.
  var covarianceEigen: (values: [Double], vectors: Matrix) { (self * transpose).symmetricEigen }
}

extension SparseMatrix {
  /// Whether no row has two entries, as in masks.
  var hasSingleEntries: Bool { (0..<rows).allSatisfy { starts[$0 + 1] - starts[$0] <= 1 } }

  /// A x
  func times(_ x: [Double]) -> [Double] {
    var (x, out) = (Batch(rows: [x]), Batch(count: 1, dimension: rows))
    x.withRows { x in out.withRows { multiply(x, into: $0) } }
    return out.values
  }

  /// Aᵀ y
  func transposedTimes(_ y: [Double]) -> [Double] {
    var (y, out) = (Batch(rows: [y]), Batch(count: 1, dimension: columns))
    y.withRows { y in out.withRows { multiplyTransposed(y, into: $0) } }
    return out.values
  }
}

extension LinearObservation {
  /// L⁻¹ y
  func whitened(_ y: [Double]) -> [Double] {
    var y = Batch(rows: [y])
    y.withRows { noise.whiten($0) }
    return y.values
  }
}
