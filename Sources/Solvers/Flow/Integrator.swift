// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A method for the ordinary differential equation dx/dt = field(x, t) of a shard.
public protocol Integrator: Sendable {
  /// Carries x from one time to another, in either direction, in place.
  /// - Parameters:
  ///   - field: writes dx/dt at (t, x) into its last argument.
  ///   - onStep: called after each accepted step with its number from 1 and the time reached.
  func integrate(
    _ x: Rows, from start: Double, to end: Double,
    field: (_ t: Double, _ x: Rows, _ derivative: Rows) throws -> Void,
    onStep: (_ step: Int, _ time: Double) throws -> Void
  ) throws -> StepCount
}
