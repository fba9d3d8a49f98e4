// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

extension SolveContext {
  /// Replaces x by a mean of x_0. One evaluation.
  ///
  /// Under a kernel m x_0 + σ z it is E[x_0 | x_t = x] = (x + v(t) s(x, t))/m(t), Tweedie's formula (Robbins 1956;
  /// Efron 2011). Under a kernel Φ x_0 + C^½ z, with matrices, it is Φ⁻¹ (x + C s); under others, as where the score is
  /// of velocities alone, the step of the reverse SDE from t to 0 without its noise.
  /// - Parameters:
  ///   - x: the states, rows × dimension, which are replaced.
  ///   - t: their time.
  ///   - step: the number that an error gives, from 1: that after the solver's last.
  public func denoise(_ x: Rows, at t: Double, step: Int) throws {
    let values = makeRows()
    try score.evaluate(x, at: .all(t), into: values)
    if let moments = problem.kernel?.moments(at: t) {
      ck_combine(x.values, 1 / moments.scale, x.values, moments.variance / moments.scale, values.values, x.size)
    } else if let kernel = problem.prepared.kernel, kernel.blocks.isWhole {
      let (moments, mean) = (kernel.moments(at: t), makeRows())
      mean.copy(x)
      mean.add(moments.covariance, values, times: 1)
      x.fill(0)
      x.add(moments.signal.inverse, mean, times: 1)
    } else {
      let mean = makeRows()
      mean.copy(x)
      problem.process.addReverseDrift(x, score: values, at: t, times: -t, to: mean)
      x.copy(mean)
    }
    try finished(step: step, at: t, x)
  }
}
