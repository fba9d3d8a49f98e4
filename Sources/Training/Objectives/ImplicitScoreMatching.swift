// SPDX-License-Identifier: GPL-3.0-or-later
import Models
import Networks
import Processes
import Scores

/// Implicit score matching (Hyvärinen 2005) with the exact trace, D derivatives of the network, on simulated paths: for
/// any process on few dimensions. `SimulatedScoreMatching` has the loss.
public struct ImplicitScoreMatching: Objective {
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
  ///   - steps: of the simulation from 0 to T.
  public init(
    _ model: ScoreModel, process: PreparedProcess, weighting: Weighting = .uniform, times: TrainingTimes,
    steps: Int = 100
  ) {
    base = SimulatedScoreMatching(
      model: model, process: process, weighting: weighting, directions: .axes,
      simulation: ForwardSimulation(of: process, steps: steps))
    self.times = times
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker {
    SimulatedScoreMatching.Worker(base, rows: rows, seed: seed)
  }
}
