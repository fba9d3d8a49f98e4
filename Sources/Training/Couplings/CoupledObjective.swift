// SPDX-License-Identifier: GPL-3.0-or-later
import Models
import Networks

/// An objective of paths between data and ends that a coupling puts together: `CoupledRegression` with states and
/// scores of its own.
protocol CoupledObjective: Objective {
  var model: ScoreModel { get }
  var regression: CoupledRegression { get }
}

extension CoupledObjective {
  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }
  public var notes: [String] { regression.ends.note.map { [$0] } ?? [] }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker {
    CoupledRegression.Worker(regression, rows: rows, seed: seed)
  }
}
