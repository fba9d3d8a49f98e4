// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// Moves a shard of rows from T to ε. A value with parameters only; its memory is made inside `solve`.
public protocol Solver: Sendable {
  /// How many steps a shard takes, where that is known beforehand.
  var steps: Int? { get }

  /// The grid of these steps; nil: the problem's.
  var grid: (any TimeGrid)? { get }

  /// The solver itself where it is the plain loop of steps, whose order can be measured; else nil.
  var fixedSteps: FixedSteps? { get }

  /// What process and score must offer.
  var requires: Requirements { get }

  /// What it converges to as its steps become shorter.
  var limit: Limit { get }

  /// Whether it chooses its steps as it goes, so that its noise must come from a Brownian path that does not depend on
  /// them.
  var needsBrownianPath: Bool { get }

  /// Whether all rows must be solved together, as where they are one population: the solver divides the work itself.
  var carriesAllRows: Bool { get }

  /// Whether it ends with the data, whatever ε is, so that no denoising is to follow.
  var endsWithData: Bool { get }

  /// - Throws: `InputError` where the solver is not defined for the setting.
  func check(_ setting: SamplingSetting) throws

  /// Solves in place. Throws with row and time where the state stops being finite.
  func solve(_ x: Rows, in context: SolveContext) throws -> StepCount
}

extension Solver {
  public var grid: (any TimeGrid)? { nil }
  public var fixedSteps: FixedSteps? { nil }
  public var requires: Requirements { [] }
  public var limit: Limit { .law }
  public var needsBrownianPath: Bool { false }
  public var carriesAllRows: Bool { false }
  public var endsWithData: Bool { false }

  public func check(_ setting: SamplingSetting) throws {
    try setting.require(requires)
    try setting.require(limit)
    guard let steps, steps > 0 else { return }
    let times = try setting.times(steps: steps, grid: grid)
    // Methods in σ/m divide by its change.
    guard requires.contains(.kernel), let kernel = setting.kernel else { return }
    var last = (noise: Double.infinity, time: Double.nan)
    for (i, t) in times.enumerated() {
      let noise = kernel.moments(at: t).noiseToSignal
      guard noise < last.noise else {
        let before = i == 0 ? "" : ", from \(last.noise) at t = \(last.time)"
        throw InputError(
          "the noise σ/m does not fall in step \(i) of \(steps)\(before) to \(noise) at t = \(t); allowed: fewer steps, "
            + "or a grid or a schedule where it does")
      }
      last = (noise, t)
    }
  }
}

/// What the ends of a solver converge to as its steps become shorter.
public enum Limit: Sendable {
  /// Those of the probability flow from the same prior draws.
  case flow
  /// Those of the reverse SDE from the same prior draws on the same Brownian paths.
  case path
  /// Draws with the law of the data, and no more.
  case law
}

/// How many steps a solve took: means over the rows of a shard, which may have steps of their own.
public struct StepCount: Sendable, Equatable, Codable {
  /// Steps that moved the state.
  public var accepted: Double
  /// Steps that were tried again with another length.
  public var rejected: Double

  /// So many steps.
  public init(accepted: Double, rejected: Double = 0) {
    self.accepted = accepted
    self.rejected = rejected
  }
}

/// Someone who watches a solve: for progress, trajectories, pictures. Called from any worker.
public protocol StepObserver: Sendable {
  /// A shard stands at `time` after `step` steps, 0 before the first. `x` may be read until the call returns.
  func reached(_ x: Rows, step: Int, at time: Double)
}
