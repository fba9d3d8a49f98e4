// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// What errors on a path are measured against: a solver far more exact than those it judges.
///
/// It solves the flow by GSL's rk8pd at 1e-12, and the reverse SDE by many steps of ShARK, or of Euler–Maruyama where
/// noise depends on the state. A learned score is known to single precision: there the flow takes rkf45 at 1e-6.
public struct ReferenceSolver: Sendable {
  /// Errors below it are the reference's own: its tolerance, and rounding.
  public let floor: Double
  private let tolerance: Double
  private let isAdditive: Bool

  /// The most exact solvers for a setting.
  public init(_ setting: SamplingSetting) {
    tolerance = setting.offers.contains(.jacobian) ? 1e-12 : 1e-6
    floor = 100 * tolerance
    isAdditive = setting.offers.contains(.additiveNoise)
  }

  /// Whether scores are known to double precision.
  var isExact: Bool { tolerance < 1e-6 }

  /// The solver of the probability flow.
  public func flow() -> ProbabilityFlow {
    ProbabilityFlow(isExact ? .rk8pd : .rkf45, rtol: tolerance, atol: tolerance)
  }

  /// The solver of the reverse SDE.
  /// - Parameters:
  ///   - steps: many more than the solvers' that are judged.
  ///   - grid: the times of its steps.
  public func path(steps: Int, grid: any TimeGrid) -> FixedSteps {
    FixedSteps(isAdditive ? AdditiveRungeKutta(.shark) : EulerMaruyama(), steps: steps, grid: grid, lastStep: .full)
  }
}
