// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// dx = −½ β(t) Θ x dt + √β(t) Σ^½ dw with a symmetric positive definite Θ and noise of full covariance Σ: directions
/// forget at rates of their own, and noise is not isotropic. Θ = Σ = I is the variance-preserving process of a schedule
/// that begins without noise; what another has at t = 0 is left out.
///
/// Kernel, in the eigenvectors of Θ with eigenvalues θ_i and B = ∫β: Φ_ii = e^{−θ_i B/2},
/// C_ij = −2 Σ_ij expm1(−(θ_i + θ_j) B/2)/(θ_i + θ_j). Prior N(0, P) with the stationary P_ij = 2 Σ_ij/(θ_i + θ_j).
public struct OrnsteinUhlenbeck: LinearSDE {
  /// β(t)
  public let schedule: any BetaSchedule
  /// Θ and Σ
  public let relaxation, noise: Matrix
  private let root: Matrix
  private let rates: [Double]
  /// Eigenvectors of Θ as columns, where it is not diagonal; and Σ in them.
  private let vectors: Matrix?
  private let noiseInVectors: Matrix

  /// - Throws: `InputError` for matrices that are not symmetric positive definite, or not of one size.
  public init(
    noise: [[Double]], relaxation: [[Double]]? = nil, schedule: any BetaSchedule = LinearBeta()
  ) throws {
    self.schedule = schedule
    self.noise = try Self.positive(noise, "the noise's covariance")
    self.relaxation = try relaxation.map { try Self.positive($0, "the relaxation") } ?? .identity(noise.count)
    guard self.relaxation.rows == self.noise.rows else {
      throw InputError(
        "the relaxation is \(self.relaxation.rows) × \(self.relaxation.rows), the noise's covariance "
          + "\(self.noise.rows) × \(self.noise.rows); allowed: equal sizes")
    }
    root = self.noise.lowerCholesky ?? self.noise
    let eigen = self.relaxation.isDiagonal ? nil : self.relaxation.symmetricEigen
    rates = eigen?.values ?? self.relaxation.diagonal
    vectors = eigen?.vectors
    noiseInVectors = eigen.map { [noise = self.noise] in $0.vectors.transpose * noise * $0.vectors } ?? self.noise
  }

  private static func positive(_ elements: [[Double]], _ name: String) throws -> Matrix {
    guard let n = elements.first?.count, n > 0, elements.count == n, elements.allSatisfy({ $0.count == n }) else {
      throw InputError("\(name) is not a square matrix")
    }
    let matrix = Matrix(elements)
    for i in 0..<n {
      for j in 0..<i {
        guard abs(matrix[i, j] - matrix[j, i]) <= 1e-12 * max(abs(matrix[i, i]), abs(matrix[j, j])) else {
          throw InputError("\(name) is not symmetric: \(matrix[i, j]) and \(matrix[j, i])")
        }
      }
    }
    let smallest = matrix.symmetricEigen.values.min() ?? .nan
    guard smallest > 0, matrix.values.allSatisfy(\.isFinite), matrix.lowerCholesky != nil else {
      throw InputError("\(name) is not positive definite: its smallest eigenvalue is \(smallest)")
    }
    return matrix
  }

  public var duration: Double { schedule.duration }
  public var samplingSpacing: TimeSpacing { schedule.samplingSpacing }
  public var samplingEpsilon: Double { schedule.samplingEpsilon }
  public var blocks: Int { noise.rows }

  public func requireDimension(_ dimension: Int) throws {
    guard dimension == blocks else {
      throw InputError("the matrices are \(blocks) × \(blocks), the data have \(dimension) dimensions")
    }
  }

  public func driftMatrix(at t: Double) -> Matrix { (-0.5 * schedule.rate(at: t)) * relaxation }
  public func diffusionMatrix(at t: Double) -> Matrix { schedule.rate(at: t).squareRoot() * root }

  public var priorCovariance: Matrix { covariance { 2 / $0 } }

  /// Σ_ij f(θ_i + θ_j), turned back from the eigenvectors.
  private func covariance(_ f: (Double) -> Double) -> Matrix {
    var c = noiseInVectors
    for i in 0..<blocks { for j in 0..<blocks { c[i, j] *= f(rates[i] + rates[j]) } }
    return turned(c)
  }

  private func turned(_ matrix: Matrix) -> Matrix {
    vectors.map { $0 * matrix * $0.transpose } ?? matrix
  }

  public func makeKernel() -> any PerturbationKernel {
    ClosedFormKernel(blocks: stateBlocks) { t in
      let b = schedule.integral(to: t)
      let decay = Matrix.diagonal(rates.map { exp(-0.5 * $0 * b) })
      return Moments(
        propagator: turned(decay), covariance: covariance { -2 * expm1(-0.5 * $0 * b) / $0 }, dataBlocks: blocks)
    }
  }
}
