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

/// A linear observation: B = L⁻¹ A is the same for all rows.
final class WhiteLinearModel: WhiteModel {
  let white: SparseMatrix
  private let whitened: RowStorage

  init(_ linear: LinearObservation, _ observation: Observation, _ span: RowSpan) {
    white = linear.white
    whitened = observation.makeRows(for: span)
    linear.noise.whiten(whitened.rows)
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

extension Observation {
  /// The observation with noise of unit variance.
  /// - Throws: `InputError` for a model that is not y = A x + Gaussian noise.
  func whiteModel(for span: RowSpan) throws -> any WhiteModel {
    WhiteLinearModel(try requireLinear(), self, span)
  }

  /// - Throws: `InputError` for a model that is not y = A x + Gaussian noise.
  func requireLinear() throws -> LinearObservation {
    guard let linear = model.linear else { throw InputError("needs an observation y = A x + Gaussian noise") }
    return linear
  }
}
