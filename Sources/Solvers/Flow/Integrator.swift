// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A method for the ordinary differential equation dx/dt = field(x, t) of a shard.
public protocol Integrator: Sendable {
  /// What process and score must offer.
  var requires: Requirements { get }

  /// Carries x from one time to another, in either direction, in place.
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - start: the time at which they stand.
  ///   - end: the time to carry them to, before or after `start`.
  ///   - field: the right-hand side.
  ///   - dense: where the solution is wanted in between; the steps do not depend on it.
  ///   - onStep: called after each accepted step with its number from 1, the time reached, and the rows that reached
  ///     it: all of them, or those that share their steps.
  func integrate(
    _ x: Rows, from start: Double, to end: Double, field: any VectorField, dense: DenseOutput?,
    onStep: (_ step: Int, _ time: Double, _ x: Rows) throws -> Void
  ) throws -> StepCount
}

extension Integrator {
  public var requires: Requirements { [] }

  /// Carries x from one time to another along a field that is a function, without a Jacobian.
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - start: the time at which they stand.
  ///   - end: the time to carry them to, before or after `start`.
  ///   - field: writes dx/dt at (t, x) into its last argument.
  ///   - onStep: called after each accepted step with its number, from 1, and the time reached.
  public func integrate(
    _ x: Rows, from start: Double, to end: Double,
    field: (_ t: Double, _ x: Rows, _ derivative: Rows) throws -> Void,
    onStep: (_ step: Int, _ time: Double) throws -> Void
  ) throws -> StepCount {
    try withoutActuallyEscaping(field) { field in
      let field = ClosureField(field)
      return try withExtendedLifetime(field) {
        try integrate(x, from: start, to: end, field: field, dense: nil) { step, time, _ in try onStep(step, time) }
      }
    }
  }
}

/// The right-hand side of an ordinary differential equation.
public protocol VectorField: AnyObject {
  /// Writes dx/dt at (t, x), for any number of the shard's rows.
  func evaluate(_ t: Double, _ x: Rows, into derivative: Rows) throws

  /// Writes the field's derivatives for a single row.
  /// - Parameters:
  ///   - t: the time.
  ///   - x: one row of D values.
  ///   - dfdx: ∂f_i/∂x_j at [i D + j].
  ///   - dfdt: ∂f_i/∂t at [i].
  func jacobian(
    _ t: Double, _ x: Rows, into dfdx: UnsafeMutablePointer<Double>, _ dfdt: UnsafeMutablePointer<Double>) throws
}

extension VectorField {
  public func jacobian(
    _ t: Double, _ x: Rows, into dfdx: UnsafeMutablePointer<Double>, _ dfdt: UnsafeMutablePointer<Double>
  ) throws {
    throw InputError("this field offers no Jacobian")
  }
}

private final class ClosureField: VectorField {
  private let field: (Double, Rows, Rows) throws -> Void
  init(_ field: @escaping (Double, Rows, Rows) throws -> Void) { self.field = field }
  func evaluate(_ t: Double, _ x: Rows, into derivative: Rows) throws { try field(t, x, derivative) }
}

/// Where a solution is wanted between steps: there it is the cubic Hermite polynomial through the two ends of the step
/// and the field at both, whose error falls with h⁴.
public struct DenseOutput {
  /// In the order of the integration.
  public let times: [Double]
  /// Called with the index of the time.
  public let onOutput: (_ index: Int, _ time: Double, _ x: Rows) -> Void

  /// Times to stop at, and what to call there.
  public init(times: [Double], onOutput: @escaping (_ index: Int, _ time: Double, _ x: Rows) -> Void) {
    self.times = times
    self.onOutput = onOutput
  }
}
