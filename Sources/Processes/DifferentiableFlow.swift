// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A process that knows the derivatives of its probability flow's field. Others are differentiated by central
/// differences.
public protocol DifferentiableFlow: SDE {
  /// Adds a directional derivative of the probability flow's field, out += times · (∂F/∂x) v.
  /// - Parameters:
  ///   - v: the directions, rows × dimension.
  ///   - s: the score at x, rows × dimension.
  ///   - ds: the score's derivative along v, rows × dimension.
  ///   - x: the states, rows × dimension.
  ///   - t: their time.
  ///   - times: a factor.
  ///   - out: rows × dimension.
  func addFlowDerivative(
    along v: Rows, score s: Rows, scoreDerivative ds: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)
}

extension SDE {
  /// Adds a directional derivative of the probability flow's field, out += times · (∂F/∂x) v: the process's own, or by
  /// central differences in x for f and G.
  /// - Parameters:
  ///   - v: the directions, rows × dimension.
  ///   - s: the score at x, rows × dimension.
  ///   - ds: the score's derivative along v, rows × dimension.
  ///   - x: the states, rows × dimension.
  ///   - t: their time.
  ///   - times: a factor.
  ///   - out: rows × dimension.
  public func addFlowDerivative(
    along v: Rows, score s: Rows, scoreDerivative ds: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows
  ) {
    if let known = self as? any DifferentiableFlow {
      return known.addFlowDerivative(along: v, score: s, scoreDerivative: ds, x, at: t, times: times, to: out)
    }
    RowStorage.with(x.span, count: 2) { rows in
      let (ahead, zero) = (rows[0], rows[1])
      // (F(x + δ v) − F(x − δ v))/2δ at one score: exact for quadratic fields, else to δ² of the third derivative.
      let delta = 1e-5
      for sign in [1.0, -1] {
        for i in 0..<x.size { ahead.values[i] = x.values[i] + sign * delta * v.values[i] }
        addFlow(ahead, score: s, at: t, times: sign * times / (2 * delta), to: out)
      }
      // The field is affine in the score: G Gᵀ ds is a difference.
      addScoreDrift(ds, x, at: t, times: -0.5 * times, to: out)
      addScoreDrift(zero, x, at: t, times: 0.5 * times, to: out)
    }
  }
}
