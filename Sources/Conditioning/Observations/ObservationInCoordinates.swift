// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// An observation of data x = ψ(u) as one of their coordinates u, for a map ψ that changes each value by itself:
/// log p(y | ψ(u)), whose slopes by u are those by x times ψ'.
public struct ObservationInCoordinates: ObservationModel {
  /// ψ
  public enum Map: Sendable {
    /// x = shift + slope u, with numbers for each value.
    case affine(slopes: [Double], shifts: [Double])
    /// Any other.
    case elementwise(any ElementwiseCoordinates)
  }

  /// p(y | x)
  public let base: any ObservationModel
  /// ψ
  public let map: Map

  /// - Parameters:
  ///   - base: p(y | x), in the units of the data.
  ///   - map: the coordinates of the data.
  public init(_ base: any ObservationModel, in map: Map) { (self.base, self.map) = (base, map) }

  public var dimension: Int { base.dimension }
  public var observedDimension: Int { base.observedDimension }

  public func check(_ y: Batch) throws { try base.check(y) }

  public func makeEvaluator(for rows: RowSpan) -> any ObservationEvaluator { Evaluator(self, rows) }

  public func draw(_ u: Rows, into y: Rows, from stream: NoiseStream) throws {
    try RowStorage.with(u.span, count: 1) { x in
      map.decode(u, into: x[0])
      try base.draw(x[0], into: y, from: stream)
    }
  }

  private final class Evaluator: ObservationEvaluator {
    private let map: Map
    private let base: any ObservationEvaluator
    /// x, ψ', and what else the map's derivatives say.
    private let data, slopes, logSlopes, curvatures: RowStorage

    init(_ model: ObservationInCoordinates, _ rows: RowSpan) {
      map = model.map
      base = model.base.makeEvaluator(for: rows)
      (data, slopes, logSlopes, curvatures) = (RowStorage(rows), RowStorage(rows), RowStorage(rows), RowStorage(rows))
    }

    private func decode(_ u: Rows) -> Rows {
      let x = data.view(like: u)
      map.decode(u, into: x)
      return x
    }

    /// x and ψ'(u).
    private func derive(_ u: Rows) -> Rows {
      let (x, e) = (decode(u), slopes.view(like: u))
      switch map {
      case .affine(let factors, _): for i in 0..<e.size { e.values[i] = factors[i % e.dimension] }
      case .elementwise(let map):
        map.writeDerivatives(
          u, of: x, slope: e, logSlope: logSlopes.view(like: u), curvature: curvatures.view(like: u))
      }
      return x
    }

    /// Multiplies slopes by x with ψ'.
    private func chain(_ out: Rows) {
      let e = slopes.view(like: out)
      for i in 0..<out.size { out.values[i] *= e.values[i] }
    }

    func logLikelihood(_ u: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>) {
      base.logLikelihood(decode(u), of: y, into: out)
    }

    func gradient(_ u: Rows, of y: Rows, into out: Rows) {
      base.gradient(derive(u), of: y, into: out)
      chain(out)
    }

    func expect(_ u: Rows, into y: Rows) -> Bool { base.expect(derive(u), into: y) }

    func pullback(_ v: Rows, into out: Rows) {
      base.pullback(v, into: out)
      chain(out)
    }
  }
}

extension ObservationInCoordinates.Map {
  fileprivate func decode(_ u: Rows, into x: Rows) {
    switch self {
    case .affine(let slopes, let shifts):
      for row in 0..<u.count { for j in 0..<u.dimension { x[row, j] = shifts[j] + slopes[j] * u[row, j] } }
    case .elementwise(let map): map.decode(u, into: x)
    }
  }
}

extension Observation {
  /// The observation of data x = ψ(u) as one of u.
  ///
  /// Of a linear observation and x = shift + slope u nothing but numbers change, exactly: y − A shift =
  /// (A diag(slope)) u + noise. Others keep their y.
  /// - Parameter map: ψ
  /// - Throws: nothing that the observation itself did not.
  public func inCoordinates(_ map: ObservationInCoordinates.Map) throws -> Observation {
    guard let linear = model.linear, case .affine(let slopes, let shifts) = map else {
      return Observation(ObservationInCoordinates(model, in: map), values: values)
    }
    var (seen, shift) = (values, Batch(values: shifts, dimension: shifts.count))
    var offset = Batch(count: 1, dimension: linear.observedDimension)
    shift.withRows { x in offset.withRows { linear.matrix.multiply(x, into: $0) } }
    for i in seen.values.indices { seen.values[i] -= offset.values[i % seen.dimension] }
    return Observation(
      try LinearObservation(linear.matrix.scaled(columns: slopes), noise: linear.noise), values: seen)
  }
}
