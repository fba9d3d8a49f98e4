// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// An observation of data x = ψ(u) as one of their coordinates u: log p(y | ψ(u)), whose slopes by u are those by x
/// times ψ'.
public struct ObservationInCoordinates: MaybeGaussian {
  /// p(y | x)
  public let base: any ObservationModel
  private let map: CoordinateMap

  /// - Parameters:
  ///   - base: p(y | x), in the units of the data.
  ///   - form: ψ
  public init(_ base: any ObservationModel, in form: CoordinateMap.Form) {
    self.base = base
    map = CoordinateMap(form, dimension: base.dimension)
  }

  /// That of the base, whose noise is of observations, and so is the same in all coordinates.
  public var gaussianNoise: LinearObservation.Noise? {
    base.linear?.noise ?? (base as? any MaybeGaussian)?.gaussianNoise
  }
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
    private let map: CoordinateMap
    private let way: any ForwardEvaluator
    private let base: any ObservationEvaluator
    /// x, and slopes by it.
    private let data, slopes: RowStorage

    init(_ model: ObservationInCoordinates, _ rows: RowSpan) {
      map = model.map
      way = model.map.makeEvaluator(for: rows)
      base = model.base.makeEvaluator(for: rows)
      (data, slopes) = (RowStorage(rows), RowStorage(rows))
    }

    func logLikelihood(_ u: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>) {
      let x = data.view(like: u)
      map.decode(u, into: x)
      base.logLikelihood(x, of: y, into: out)
    }

    func gradient(_ u: Rows, of y: Rows, into out: Rows) {
      let (x, g) = (data.view(like: u), slopes.view(like: u))
      way.evaluate(u, into: x)
      base.gradient(x, of: y, into: g)
      way.pullback(g, into: out)
    }

    func expect(_ u: Rows, into y: Rows) -> Bool {
      let x = data.view(like: u)
      way.evaluate(u, into: x)
      return base.expect(x, into: y)
    }

    func pullback(_ v: Rows, into out: Rows) {
      let g = slopes.view(like: out)
      base.pullback(v, into: g)
      way.pullback(g, into: out)
    }
  }
}

extension Observation {
  /// The observation of data x = ψ(u) as one of u.
  ///
  /// Of a linear observation and x = shift + slope u nothing but numbers change, exactly: y − A shift =
  /// (A diag(slope)) u + noise. Others keep their y; Gaussian noise stays what it is, around h(ψ(u)).
  /// - Parameter form: ψ
  /// - Throws: `InputError` for an exact observation that is not linear in u.
  public func inCoordinates(_ form: CoordinateMap.Form) throws -> Observation {
    let map = CoordinateMap(form, dimension: model.dimension)
    guard let linear = model.linear else {
      guard let curved = model as? NonlinearObservation else {
        return Observation(ObservationInCoordinates(model, in: form), values: values)
      }
      return Observation(try NonlinearObservation(ComposedMap(map, curved.map), noise: curved.noise), values: values)
    }
    guard case .affine(let slopes, let shifts) = form else {
      return Observation(try NonlinearObservation(ComposedMap(map, linear.matrix), noise: linear.noise), values: values)
    }
    var (seen, shift) = (values, Batch(values: shifts, dimension: shifts.count))
    var offset = Batch(count: 1, dimension: linear.observedDimension)
    shift.withRows { x in offset.withRows { linear.matrix.multiply(x, into: $0) } }
    for i in seen.values.indices { seen.values[i] -= offset.values[i % seen.dimension] }
    return Observation(
      try LinearObservation(linear.matrix.scaled(columns: slopes), noise: linear.noise), values: seen)
  }
}
