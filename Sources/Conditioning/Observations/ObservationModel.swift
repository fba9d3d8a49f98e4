// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// p(y | x): what is seen of a row of data, and how surely. Posterior methods sample x given y.
public protocol ObservationModel: Sendable {
  /// How many values a row of data has.
  var dimension: Int { get }
  /// How many values an observation has.
  var observedDimension: Int { get }
  /// The model as y = A x + Gaussian noise; nil where it is not of this form.
  var linear: LinearObservation? { get }
  /// Whether there is no noise at all: nothing may be divided by it. Default: false.
  var isExact: Bool { get }
  /// - Throws: `InputError` without a location for values that cannot have been seen. Default: all can.
  func check(_ y: Batch) throws
  /// An evaluator with its own memory for the given rows (of `dimension` values), owned by one worker.
  func makeEvaluator(for rows: RowSpan) -> any ObservationEvaluator
  /// Draws an observation of every row.
  /// - Parameters:
  ///   - x: data, rows × `dimension`.
  ///   - y: rows × `observedDimension`.
  ///   - stream: keyed by the rows' indices.
  /// - Throws: `InputError` for a model that only says how likely an observation is.
  func draw(_ x: Rows, into y: Rows, from stream: NoiseStream) throws
}

extension ObservationModel {
  public var linear: LinearObservation? { nil }
  public var isExact: Bool { false }
  public func check(_ y: Batch) throws {}
}

/// The likelihood of observations with the memory that it works in, owned by one worker.
public protocol ObservationEvaluator: AnyObject {
  /// Writes log p(y | x) of every row.
  /// - Parameters:
  ///   - x: data, rows × dimension; as many rows as the evaluator was made for, or fewer.
  ///   - y: the observation of each row.
  ///   - out: `x.count` values; −∞ where y cannot come of x.
  func logLikelihood(_ x: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>)

  /// The same for one observation that all rows have. Default: by copies of it.
  func logLikelihood(_ x: Rows, ofOne y: Rows, into out: UnsafeMutablePointer<Double>)

  /// Writes ∇ₓ log p(y | x) of every row.
  /// - Parameters:
  ///   - x: data, rows × dimension.
  ///   - y: the observation of each row.
  ///   - out: of the shape of x, which it does not overlap.
  func gradient(_ x: Rows, of y: Rows, into out: Rows)

  /// Linearises the expected observation: writes h(x) = E[y | x] of every row, and keeps what `pullback` needs.
  /// - Returns: false where the model has no such function, as one whose likelihood is a formula.
  func expect(_ x: Rows, into y: Rows) -> Bool

  /// Writes (∂h/∂x)ᵀ v of every row, at the x of the last `expect`.
  func pullback(_ v: Rows, into out: Rows)
}

extension ObservationEvaluator {
  public func logLikelihood(_ x: Rows, ofOne y: Rows, into out: UnsafeMutablePointer<Double>) {
    RowStorage.with(x.span.with(dimension: y.dimension), count: 1) { copies in
      for i in 0..<x.count { copies[0].row(i).copy(y) }
      logLikelihood(x, of: copies[0], into: out)
    }
  }
}

/// What was seen: a model and one or several observations. Row i has observation i mod their number.
public struct Observation: Sendable {
  /// p(y | x)
  public let model: any ObservationModel
  /// The observations, K × `observedDimension`.
  public let values: Batch
  /// After how many rows the observations begin anew, where repeats are drawn of rows far apart; nil: never.
  public var period: Int?

  /// - Precondition: the observations have as many values as the model says, and there is one at least.
  public init(_ model: any ObservationModel, values: Batch) {
    precondition(values.dimension == model.observedDimension && values.count > 0)
    (self.model, self.values) = (model, values)
  }

  /// Which observation a row has.
  public func index(ofRow row: Int) -> Int { (period.map { row % $0 } ?? row) % values.count }

  /// Writes the observation of every row.
  /// - Parameter y: rows × `observedDimension`, whose indices say which observation each has.
  public func write(into y: Rows) {
    for row in 0..<y.count {
      let source = values.row(index(ofRow: y.first + row))
      for (j, value) in source.enumerated() { y[row, j] = value }
    }
  }

  /// The observations of a worker's rows.
  public func makeRows(for span: RowSpan) -> RowStorage {
    let storage = RowStorage(span.with(dimension: model.observedDimension))
    write(into: storage.rows)
    return storage
  }
}
