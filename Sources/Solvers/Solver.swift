// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Moves a shard of rows from T to ε. A value with parameters only; its memory is made inside `solve`.
public protocol Solver: Sendable {
  /// How many steps a shard takes, where that is known beforehand.
  var steps: Int? { get }

  /// The grid of these steps; nil: the problem's.
  var grid: (any TimeGrid)? { get }

  /// Solves in place. Throws with row and time where the state stops being finite.
  func solve(_ x: Rows, in context: SolveContext) throws -> StepCount
}

extension Solver {
  public var grid: (any TimeGrid)? { nil }
}

/// How many steps a solve took.
public struct StepCount: Sendable, Equatable {
  public var accepted: Int
  public var rejected: Int

  public init(accepted: Int, rejected: Int = 0) {
    self.accepted = accepted
    self.rejected = rejected
  }
}
