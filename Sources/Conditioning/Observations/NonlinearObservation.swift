// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// y = h(x) + e with e ~ N(0, C), for a map h that need not be linear. `LinearObservation` is the one for matrices.
public struct NonlinearObservation: MaybeGaussian {
  /// h
  public let map: any ForwardMap
  /// C
  public let noise: LinearObservation.Noise
  private let logNormaliser: Double

  /// - Parameters:
  ///   - map: h
  ///   - noise: of as many values as h gives.
  /// - Throws: `InputError` for noise of another size, or that is not above 0.
  public init(_ map: any ForwardMap, noise: LinearObservation.Noise) throws {
    let m = map.observedDimension
    let logRoot: Double
    switch noise {
    case .deviation(let s):
      guard s > 0, s.isFinite else { throw InputError("noise of deviation \(s); allowed: above 0") }
      logRoot = Double(m) * log(s)
    case .deviations(let s):
      guard s.count == m else {
        throw InputError("noise of \(s.count) values for observations of \(m); allowed: as many")
      }
      if let bad = s.first(where: { !($0 > 0 && $0.isFinite) }) {
        throw InputError("noise of deviation \(bad); allowed: above 0")
      }
      logRoot = s.reduce(0) { $0 + log($1) }
    case .covariance(let c, let root):
      guard c.rows == m, c.columns == m else {
        throw InputError("noise of \(c.rows) values for observations of \(m); allowed: as many")
      }
      logRoot = root.diagonal.reduce(0) { $0 + log($1) }
    }
    (self.map, self.noise) = (map, noise)
    logNormaliser = -logRoot - 0.5 * Double(m) * log(2 * .pi)
  }

  public var gaussianNoise: LinearObservation.Noise? { noise }
  public var dimension: Int { map.dimension }
  public var observedDimension: Int { map.observedDimension }

  public func makeEvaluator(for rows: RowSpan) -> any ObservationEvaluator { Evaluator(self, rows) }

  public func draw(_ x: Rows, into y: Rows, from stream: NoiseStream) throws {
    map.makeEvaluator(for: x.span).evaluate(x, into: y)
    RowStorage.with(y.span, count: 1) { normals in
      stream.normals(into: normals[0], step: 0)
      noise.add(normals[0], to: y)
    }
  }

  private final class Evaluator: ObservationEvaluator {
    private let model: NonlinearObservation
    private let map: any ForwardEvaluator
    private let residuals: RowStorage

    init(_ model: NonlinearObservation, _ rows: RowSpan) {
      self.model = model
      map = model.map.makeEvaluator(for: rows)
      residuals = RowStorage(rows.with(dimension: model.observedDimension))
    }

    /// y − h(x)
    private func residual(_ x: Rows, _ y: Rows) -> Rows {
      let r = residuals.view(like: y)
      map.evaluate(x, into: r)
      for i in 0..<r.size { r.values[i] = y.values[i] - r.values[i] }
      return r
    }

    func logLikelihood(_ x: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>) {
      let r = residual(x, y)
      model.noise.whiten(r)
      for row in 0..<x.count {
        let value = model.logNormaliser - 0.5 * r.row(row).squaredNorm
        // Where h is not a number, y cannot come of x.
        out[row] = value.isNaN ? -.infinity : value
      }
    }

    /// (∂h/∂x)ᵀ C⁻¹ (y − h(x))
    func gradient(_ x: Rows, of y: Rows, into out: Rows) {
      let r = residual(x, y)
      model.noise.solve(r)
      map.pullback(r, into: out)
    }

    func expect(_ x: Rows, into y: Rows) -> Bool {
      map.evaluate(x, into: y)
      return true
    }

    func pullback(_ v: Rows, into out: Rows) { map.pullback(v, into: out) }
  }
}
