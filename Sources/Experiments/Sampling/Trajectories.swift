// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Solvers
import Synchronization

/// What was seen of some rows of a solve.
struct Trajectories {
  struct Moment {
    let step: Int
    let time: Double
    let values: [Double]
  }

  /// The moments of each row, by row.
  let rows: [(row: Int, moments: [Moment])]
  let dimension: Int

  /// The state of all rows at a share of the way, 0 the start and 1 the end. Rows may have steps of their own.
  func state(at share: Double) -> Batch {
    Batch(
      values: rows.flatMap { $0.moments[Int((share * Double($0.moments.count - 1)).rounded())].values },
      dimension: dimension)
  }

  /// The largest number of moments of a row.
  var length: Int { rows.map(\.moments.count).max() ?? 0 }

  /// Watches a solve for the plan's rows.
  final class Recorder: StepObserver {
    private let plan: TrajectoryPlan
    /// What was kept of each row, and the last state where it was not.
    private let seen = Mutex<[Int: (kept: [Moment], last: Moment?)]>([:])

    init(_ plan: TrajectoryPlan) { self.plan = plan }

    func reached(_ x: Rows, step: Int, at time: Double) {
      for row in plan.rows where row >= x.first && row < x.first + x.count {
        let start = (row - x.first) * x.dimension
        let moment = Moment(step: step, time: time, values: (start..<start + x.dimension).map { x.values[$0] })
        let isKept = step % plan.every == 0
        seen.withLock {
          if isKept { $0[row, default: ([], nil)].kept.append(moment) }
          $0[row, default: ([], nil)].last = isKept ? nil : moment
        }
      }
    }

    func trajectories(dimension: Int) -> Trajectories {
      let seen = seen.withLock { $0 }
      return Trajectories(
        rows: seen.keys.sorted().map { row in
          let (kept, last) = seen[row] ?? ([], nil)
          return (row, kept + (last.map { [$0] } ?? []))
        }, dimension: dimension)
    }
  }

  /// `trajectories.csv` without rows.
  static func table(dimension: Int) -> CSVText {
    CSVText(
      columns: ["solver", "row", "step", "time"]
        + (dimension > SampleFile.widestCSV ? [] : SampleFile.columns(dimension)))
  }

  /// Adds its rows to `trajectories.csv`; above 256 dimensions without the state, which `states` has in the same order.
  func add(to table: inout CSVText, solver: String) {
    for (row, moments) in rows {
      for moment in moments {
        let values = dimension > SampleFile.widestCSV ? [] : moment.values
        table.add(
          [solver, String(row), String(moment.step), moment.time.description] + values.map { $0.description })
      }
    }
  }

  var states: Batch { Batch(values: rows.flatMap { $0.moments.flatMap(\.values) }, dimension: dimension) }

  /// In the units of the data.
  func decoded(by data: DataInCoordinates) -> Trajectories {
    guard data.coordinates != nil else { return self }
    let states = data.decoded(states)
    var next = 0
    let moved = rows.map { row, moments in
      (
        row,
        moments.map { moment in
          defer { next += 1 }
          return Moment(step: moment.step, time: moment.time, values: Array(states.row(next)))
        }
      )
    }
    return Trajectories(rows: moved, dimension: states.dimension)
  }
}
