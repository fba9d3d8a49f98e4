// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// y = A x + e with e ~ N(0, C).
public struct LinearObservation: ObservationModel {
  /// A
  public let matrix: SparseMatrix
  /// C
  public let noise: Noise
  /// L⁻¹ A with C = L Lᵀ: the same observation with noise of unit variance; A where there is no noise.
  public let white: SparseMatrix
  /// The eigenvalues of B Bᵀ, B = L⁻¹ A, made once by the first who asks.
  let spectra = SpectrumStore()
  /// log p(y | x) where y is what was expected.
  let logNormaliser: Double

  /// The covariance of an observation's noise.
  public enum Noise: Sendable, Equatable {
    /// σ: the same deviation of all values; 0: no noise.
    case deviation(Double)
    /// A deviation for each value.
    case deviations([Double])
    /// Any covariance C, and the lower triangular L with C = L Lᵀ.
    case covariance(Matrix, root: Matrix)

    /// The deviation of one value.
    public func deviation(of value: Int) -> Double {
      switch self {
      case .deviation(let s): s
      case .deviations(let s): s[value]
      case .covariance(let c, _): c[value, value].squareRoot()
      }
    }

    /// L⁻¹ y in place.
    func whiten(_ y: Rows) {
      switch self {
      case .deviation(let s): for i in 0..<y.size { y.values[i] /= s }
      case .deviations(let s): for i in 0..<y.size { y.values[i] /= s[i % y.dimension] }
      case .covariance(_, let root):
        for row in 0..<y.count {
          for i in 0..<y.dimension {
            var sum = y[row, i]
            for j in 0..<i { sum -= root[i, j] * y[row, j] }
            y[row, i] = sum / root[i, i]
          }
        }
      }
    }
  }

  /// - Parameters:
  ///   - matrix: A
  ///   - noise: of as many values as A has rows.
  /// - Throws: `InputError` for noise of another size, or that is not above 0.
  public init(_ matrix: SparseMatrix, noise: Noise) throws {
    self.matrix = matrix
    let m = matrix.rows
    let logRoot: Double
    switch noise {
    case .deviation(let s):
      guard s >= 0, s.isFinite else { throw InputError("noise of deviation \(s); allowed: 0 or more") }
      white = s == 0 ? matrix : matrix.scaled(rows: [Double](repeating: 1 / s, count: m))
      logRoot = s == 0 ? 0 : Double(m) * log(s)
    case .deviations(let s):
      guard s.count == m else {
        throw InputError("noise of \(s.count) values for observations of \(m); allowed: as many")
      }
      if let bad = s.first(where: { !($0 > 0 && $0.isFinite) }) {
        throw InputError("noise of deviation \(bad); allowed: above 0")
      }
      white = matrix.scaled(rows: s.map { 1 / $0 })
      logRoot = s.reduce(0) { $0 + log($1) }
    case .covariance(let c, let root):
      guard c.rows == m, c.columns == m else {
        throw InputError("noise of \(c.rows) values for observations of \(m); allowed: as many")
      }
      white = SparseMatrix(root.lowerInverse * matrix.dense)
      logRoot = root.diagonal.reduce(0) { $0 + log($1) }
    }
    self.noise = noise
    logNormaliser = -logRoot - 0.5 * Double(m) * log(2 * .pi)
  }

  public var dimension: Int { matrix.columns }
  public var observedDimension: Int { matrix.rows }
  public var linear: LinearObservation? { self }
  public var isExact: Bool { noise == .deviation(0) }

  public func makeEvaluator(for rows: RowSpan) -> any ObservationEvaluator { Evaluator(self, rows) }

  public func draw(_ x: Rows, into y: Rows, from stream: NoiseStream) throws {
    let normals = RowStorage(y.span)
    stream.normals(into: normals.rows, step: 0)
    matrix.multiply(x, into: y)
    noise.add(normals.rows, to: y)
    withExtendedLifetime(normals) {}
  }

  final class Evaluator: ObservationEvaluator {
    private let model: LinearObservation
    private let residuals, copies: RowStorage

    init(_ model: LinearObservation, _ rows: RowSpan) {
      self.model = model
      residuals = RowStorage(rows.with(dimension: model.observedDimension))
      copies = RowStorage(rows.with(dimension: model.observedDimension))
    }

    /// L⁻¹ (y − A x)
    private func whiteResidual(_ x: Rows, _ y: Rows) -> Rows {
      let (r, copy) = (residuals.view(like: y), copies.view(like: y))
      copy.copy(y)
      model.noise.whiten(copy)
      model.white.multiply(x, into: r)
      for i in 0..<r.size { r.values[i] = copy.values[i] - r.values[i] }
      return r
    }

    func logLikelihood(_ x: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>) {
      let r = whiteResidual(x, y)
      for row in 0..<x.count { out[row] = model.logNormaliser - 0.5 * r.row(row).squaredNorm }
    }

    func gradient(_ x: Rows, of y: Rows, into out: Rows) {
      model.white.multiplyTransposed(whiteResidual(x, y), into: out)
    }

    func expect(_ x: Rows, into y: Rows) -> Bool {
      model.matrix.multiply(x, into: y)
      return true
    }

    func pullback(_ v: Rows, into out: Rows) { model.matrix.multiplyTransposed(v, into: out) }
  }
}
