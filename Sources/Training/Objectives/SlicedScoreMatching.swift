// SPDX-License-Identifier: GPL-3.0-or-later
import Models
import Networks
import Processes
import Scores

/// Sliced score matching with reduced variance (Song et al. 2019, eq. 8) on simulated paths: for any process, with or
/// without a kernel. The trace of ∂s/∂x is the mean of vᵀ (∂s/∂x) v over a few v of random signs;
/// `SimulatedScoreMatching` has the loss.
public struct SlicedScoreMatching: Objective {
  private let base: SimulatedScoreMatching
  public let times: TrainingTimes

  /// The network with its conventions.
  public var model: ScoreModel { base.model }
  public var network: any Network { base.model.network }
  public var dataDimension: Int { base.model.dataDimension }
  public var needsTangents: Bool { true }

  /// - Parameters:
  ///   - model: with a scalar kernel, a `PilotKernel` where the process has none; its parameters are not used.
  ///   - process: whose paths are simulated.
  ///   - weighting: w
  ///   - times: the law of t.
  ///   - projections: how many random directions a row has, at least 1.
  ///   - steps: of the simulation from 0 to T.
  public init(
    _ model: ScoreModel, process: PreparedProcess, weighting: Weighting = .uniform, times: TrainingTimes,
    projections: Int = 1, steps: Int = 100
  ) {
    precondition(projections > 0, "at least one direction")
    base = SimulatedScoreMatching(
      model: model, process: process, weighting: weighting, directions: .signs(projections),
      simulation: ForwardSimulation(of: process, steps: steps))
    self.times = times
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker {
    SimulatedScoreMatching.Worker(base, rows: rows, seed: seed)
  }
}
