// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Where solvers begin instead of at T with draws of the prior: other states, at another time.
public struct Beginning: Sendable {
  /// The time at which the states stand: above ε, at most T.
  public let time: Double
  /// Writes the state of every row, which depends on nothing but the row's number.
  public let write: @Sendable (Rows) -> Void

  /// States at a time.
  public init(at time: Double, write: @escaping @Sendable (Rows) -> Void) { (self.time, self.write) = (time, write) }
}
