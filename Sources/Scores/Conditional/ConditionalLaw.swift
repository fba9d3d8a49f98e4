// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// A law of data that knows the law of x₀ given x_t under a kernel m x₀ + σ z, and can draw from it.
public protocol ConditionalLaw: Sendable {
  /// How many values a point has.
  var dimension: Int { get }
  /// p(x₀ | x_t) with its own memory, owned by one worker.
  func makeConditional() -> any Conditional
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

extension Purpose {
  /// Candidates x₀ of a state.
  static let candidates = Purpose(rawValue: 76)
  /// The components of a mixture that candidates belong to.
  static let candidateComponents = Purpose(rawValue: 77)
}

extension Rows {
  /// The same memory as one row under a number: noise is keyed by it and by the place in the row.
  func asOneRow(_ number: Int) -> Rows { Rows(memory: values, first: number, count: 1, dimension: size) }
}
