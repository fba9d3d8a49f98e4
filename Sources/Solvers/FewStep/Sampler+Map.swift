// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Sampler {
  /// X_{t→s} of given states, by the map of the flow that the score comes with, in one evaluation of a network.
  /// - Parameters:
  ///   - states: rows × dimension of a state, at t.
  ///   - t: their time.
  ///   - s: the time to carry them to, which the map reaches.
  /// - Throws: `InputError` where there is no map; `ComputationError` where a state is not finite.
  public func mapped(_ states: Batch, from t: Double, to s: Double) throws -> Batch {
    var batch = states
    _ = try run(&batch, problem.path, nil, nil, restart: { $0.copy(rowsOf: states) }) { x, context in
      let next = context.makeRows()
      try context.map(x, from: t, to: s, into: next)
      x.copy(next)
      try context.finished(step: 1, at: s, x)
      return StepCount(accepted: 1)
    }
    return batch
  }
}
