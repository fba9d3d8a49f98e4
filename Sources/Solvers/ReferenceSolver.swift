// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// What errors on a path are measured against: a solver far more exact than those it judges.
///
/// For the flow GSL's rk8pd at 1e-12; for the reverse SDE many steps of ShARK, or of Euler–Maruyama where noise depends on
/// the state. A learned score is known to single precision: rkf45 at 1e-6.
public struct ReferenceSolver: Sendable {
  /// Errors below it are the reference's own: its tolerance, and rounding.
  public let floor: Double
  private let tolerance: Double
  private let isAdditive: Bool

  public init(process: PreparedProcess, score: any Score) {
    let isExact = score.traits.contains(.jacobian)
    tolerance = isExact ? 1e-12 : 1e-6
    floor = 100 * tolerance
    isAdditive = process.hasAdditiveNoise
  }

  public func flow() -> ProbabilityFlow {
    ProbabilityFlow(tolerance < 1e-6 ? .rk8pd : .rkf45, rtol: tolerance, atol: tolerance)
  }

  /// - Parameter steps: many more than the solvers' that are judged.
  public func path(steps: Int, grid: any TimeGrid) -> PredictorCorrector {
    PredictorCorrector(isAdditive ? ShARK() : EulerMaruyama(), steps: steps, grid: grid, lastStep: .full)
  }
}
