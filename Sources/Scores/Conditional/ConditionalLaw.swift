// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// A law of data that knows the law of x₀ given x_t under a kernel m x₀ + σ z, and can draw from it.
public protocol ConditionalLaw: Sendable {
  /// How many values a point has.
  var dimension: Int { get }
  /// p(x₀ | x_t) with its own memory, owned by one worker.
  func makeConditional() -> any Conditional
  /// The same, that draws along some directions first, and the rest of a point only where it is asked for. Default:
  /// nil, for a law that cannot.
  /// - Parameter directions: orthonormal rows, M × `dimension`.
  func makeConditional(along directions: Matrix) -> (any DirectedConditional)?
}

extension ConditionalLaw {
  public func makeConditional(along directions: Matrix) -> (any DirectedConditional)? { nil }
}

/// p(x₀ | x_t) of one state at a time.
public protocol Conditional: AnyObject {
  /// Looks at a state.
  /// - Parameters:
  ///   - x: x_t, as many values as a point has.
  ///   - moments: m and v > 0.
  func look(at x: UnsafePointer<Double>, _ moments: Moments)

  /// Writes E[x₀ | x_t] of the state that was looked at.
  func writeMean(into out: UnsafeMutablePointer<Double>)

  /// Fills rows with independent draws of p(x₀ | x_t) of the state that was looked at.
  /// - Parameters:
  ///   - out: the draws, candidates × dimension.
  ///   - row: the number of the state, which noise is keyed by.
  ///   - seed: of the experiment.
  ///   - step: which draw of the row it is, 0 ≤ step < 2⁵⁶.
  func draw(into out: Rows, row: Int, seed: UInt64, step: Int)
}

/// p(x₀ | x_t) of which Q x₀ is drawn first, for M directions Q.
public protocol DirectedConditional: Conditional {
  /// Fills rows with independent draws of Q x₀ given x_t, for the state that was looked at.
  /// - Parameters:
  ///   - out: the draws, candidates × M.
  ///   - row: the number of the state, which noise is keyed by.
  ///   - seed: of the experiment.
  ///   - step: which draw of the row it is, 0 ≤ step < 2⁵⁶.
  func drawAlong(into out: Rows, row: Int, seed: UInt64, step: Int)

  /// Writes a draw of x₀ given x_t and Q x₀ for one of the last draws along the directions.
  /// - Parameters:
  ///   - i: which of them.
  ///   - draws: the rows that they were written to.
  ///   - row: the number of the state, which noise is keyed by.
  ///   - seed: of the experiment.
  ///   - step: which draw of the row it is.
  ///   - point: D values.
  func complete(
    _ i: Int, of draws: Rows, row: Int, seed: UInt64, step: Int, into point: UnsafeMutablePointer<Double>)
}

extension Purpose {
  /// Candidates x₀ of a state.
  static let candidates = Purpose(rawValue: 76)
  /// The components of a mixture that candidates belong to.
  static let candidateComponents = Purpose(rawValue: 77)
  /// The rest of candidates that were drawn along some directions.
  static let candidateRest = Purpose(rawValue: 83)
}

extension Rows {
  /// The same memory as one row under a number: noise is keyed by it and by the place in the row.
  func asOneRow(_ number: Int) -> Rows { Rows(memory: values, first: number, count: 1, dimension: size) }
}
