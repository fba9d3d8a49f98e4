// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What was seen of each row as b = B x + e with e ~ N(0, I), for one worker: a linear observation, whitened, or a
/// model with Gaussian noise, linearised at the mean of each row.
protocol WhiteModel: AnyObject {
  /// How many values an observation has.
  var observedDimension: Int { get }
  /// Linearises at the mean of each row, and writes the residual b − B x̂₀, or L⁻¹ (y − h(x̂₀)).
  func linearise(_ state: DenoisedState, into residual: Rows)
  /// Writes B x.
  func multiply(_ x: Rows, into y: Rows)
  /// Writes Bᵀ y.
  func multiplyTransposed(_ y: Rows, into x: Rows)
}

/// A linear observation: B = L⁻¹ A is the same for all rows; A itself where there is no noise.
final class WhiteLinearModel: WhiteModel {
  let white: SparseMatrix
  private let whitened: RowStorage

  init(_ linear: LinearObservation, _ observation: Observation, _ span: RowSpan) {
    white = linear.white
    whitened = observation.makeRows(for: span)
    if linear.hasNoise { linear.noise.whiten(whitened.rows) }
  }

  var observedDimension: Int { white.rows }

  /// L⁻¹ y of rows.
  func values(like x: Rows) -> Rows {
    let first = x.first - whitened.rows.first
    return whitened.rows[first..<first + x.count]
  }

  func linearise(_ state: DenoisedState, into residual: Rows) { self.residual(of: state.mean, into: residual) }

  /// b − B x
  func residual(of x: Rows, into residual: Rows) {
    white.multiply(x, into: residual)
    let b = values(like: x)
    for i in 0..<residual.size { residual.values[i] = b.values[i] - residual.values[i] }
  }

  func multiply(_ x: Rows, into y: Rows) { white.multiply(x, into: y) }
  func multiplyTransposed(_ y: Rows, into x: Rows) { white.multiplyTransposed(y, into: x) }
}

/// A model that may be y = h(x) + Gaussian noise, with derivatives of h: its evaluators know `expect` and `pullback`.
public protocol MaybeGaussian: ObservationModel {
  /// The noise's covariance; nil where the noise is another.
  var gaussianNoise: LinearObservation.Noise? { get }
}

/// A model with Gaussian noise, linearised at the mean of each row: B = L⁻¹ ∂h/∂x, which takes a product for each
/// observed value.
final class LinearisedModel: WhiteModel {
  private let model: any ObservationEvaluator
  private let noise: LinearObservation.Noise
  private let directions, products: RowStorage
  /// For each row B, observed × dimension.
  private let jacobians: RowStorage
  let observedDimension: Int

  init(_ model: any ObservationModel, _ noise: LinearObservation.Noise, _ span: RowSpan) {
    self.model = model.makeEvaluator(for: span)
    self.noise = noise
    observedDimension = model.observedDimension
    (directions, products) = (RowStorage(span.with(dimension: observedDimension)), RowStorage(span))
    jacobians = RowStorage(span.with(dimension: observedDimension * span.dimension))
  }

  func linearise(_ state: DenoisedState, into residual: Rows) {
    let (m, d) = (observedDimension, state.mean.dimension)
    let (direction, product) = (directions.view(like: residual), products.view(like: residual))
    _ = model.expect(state.mean, into: residual)
    let y = state.y
    for i in 0..<residual.size { residual.values[i] = y.values[i] - residual.values[i] }
    noise.whiten(residual)
    for j in 0..<m {
      direction.fill(0)
      for row in 0..<direction.count { direction[row, j] = 1 }
      model.pullback(direction, into: product)
      for row in 0..<product.count {
        (jacobians.rows.values + (row * m + j) * d).update(from: product.values + row * d, count: d)
      }
    }
    // L⁻¹, column by column.
    for row in 0..<residual.count {
      let (jacobian, column) = (jacobians.rows.values + row * m * d, direction.row(row))
      for k in 0..<d {
        for j in 0..<m { column.values[j] = jacobian[j * d + k] }
        noise.whiten(column)
        for j in 0..<m { jacobian[j * d + k] = column.values[j] }
      }
    }
  }

  func multiply(_ x: Rows, into y: Rows) {
    for row in 0..<x.count {
      let jacobian = jacobians.rows.values + row * observedDimension * x.dimension
      for j in 0..<observedDimension {
        var sum = 0.0
        for k in 0..<x.dimension { sum += jacobian[j * x.dimension + k] * x[row, k] }
        y[row, j] = sum
      }
    }
  }

  func multiplyTransposed(_ y: Rows, into x: Rows) {
    x.fill(0)
    for row in 0..<x.count {
      let jacobian = jacobians.rows.values + row * observedDimension * x.dimension
      for j in 0..<observedDimension {
        for k in 0..<x.dimension { x[row, k] += jacobian[j * x.dimension + k] * y[row, j] }
      }
    }
  }
}

extension Observation {
  /// The observation with noise of unit variance.
  /// - Throws: `InputError` for a model without Gaussian noise.
  func whiteModel(for span: RowSpan) throws -> any WhiteModel {
    if model.linear != nil { return WhiteLinearModel(try requireLinear(withNoise: true), self, span) }
    guard let noise = (model as? any MaybeGaussian)?.gaussianNoise else {
      throw InputError("needs an observation with Gaussian noise")
    }
    return LinearisedModel(model, noise, span)
  }

  /// - Throws: `InputError` for a model that is not y = A x + Gaussian noise.
  func requireLinear(withNoise needsNoise: Bool = false) throws -> LinearObservation {
    guard let linear = model.linear else { throw InputError("needs an observation y = A x + Gaussian noise") }
    guard linear.hasNoise || !needsNoise else {
      throw InputError(
        "divides by the noise of the observation, which is 0; allowed without noise: ddnm, ddrm, repaint")
    }
    return linear
  }
}

extension LinearObservation {
  /// Whether y has noise that a method may divide by.
  public var hasNoise: Bool { noise != .deviation(0) }
}
