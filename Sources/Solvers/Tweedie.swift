// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

extension SolveContext {
  /// x ← E[x_0 | x_t = x] = (x + v(t) s(x, t)) / m(t), Tweedie's formula (Robbins 1956; Efron 2011). One evaluation.
  /// - Parameter step: the number that an error gives, from 1: that after the solver's last.
  public func denoise(_ x: Rows, at t: Double, step: Int) throws {
    let moments = try problem.requireKernel(for: "denoise").moments(at: t)
    let values = makeRows()
    try score.evaluate(x, at: .all(t), into: values)
    ck_combine(x.values, 1 / moments.scale, x.values, moments.variance / moments.scale, values.values, x.size)
    try finished(step: step, at: t, x)
  }
}
