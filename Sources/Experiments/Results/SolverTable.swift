// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation

/// `solvers.csv`: a row a solver, what it cost and how good its samples are.
struct SolverTable {
  struct Row {
    let solver, kind: String
    /// Rows of each repeat.
    let count: Int
    /// Means over repeats.
    let steps, nfe: Double
    let nfeMax: Int
    let seconds: Double
    /// As texts: an older table has neither.
    let seed, overrides: String
    var metrics: [String: Estimate] = [:]
  }

  var experiment: String
  var process: String
  /// Metric names as in configs; columns have underscores.
  var metrics: [String]
  var rows: [Row] = []

  /// The columns of a table without metrics.
  static let ownColumns = [
    "experiment", "process", "solver", "kind", "count", "steps", "nfe", "nfe_max", "seconds", "seed", "overrides",
  ]

  static func column(_ metric: String) -> String { metric.replacing("-", with: "_") }

  /// The columns of a metric: its value, and the bounds of its interval.
  static func columns(of metric: String) -> [String] { ["", "_low", "_high"].map { column(metric) + $0 } }

  func csv() -> String {
    var table = CSVText(columns: Self.ownColumns + metrics.flatMap(Self.columns))
    for row in rows {
      let fields = [
        experiment, process, row.solver, row.kind, String(row.count), compact(row.steps), compact(row.nfe),
        String(row.nfeMax), row.seconds.description, row.seed, row.overrides,
      ]
      table.add(fields + metrics.flatMap { (row.metrics[$0]).fields })
    }
    return table.text
  }

  /// Reads back what `csv` wrote, by the names of columns: older programs had fewer.
  init(reading path: String, experiment: String, process: String, metrics: [String]) throws {
    self.init(experiment: experiment, process: process, metrics: metrics)
    let table = try CSVTable(reading: path, missing: "`sample` makes it")
    for index in 0..<table.count {
      guard let solver = table["solver", index], isFileName(solver), let kind = table["kind", index],
        let count = table["count", index].flatMap({ Int($0) }), let steps = table.number("steps", index),
        let nfe = table.number("nfe", index), let nfeMax = table["nfe_max", index].flatMap({ Int($0) }),
        let seconds = table.number("seconds", index)
      else { throw InputError("not a row of this program", at: "\(path):\(table.line(index))") }
      rows.append(
        Row(
          solver: solver, kind: kind, count: count, steps: steps, nfe: nfe, nfeMax: nfeMax, seconds: seconds,
          seed: table["seed", index] ?? "", overrides: table["overrides", index] ?? ""))
    }
  }

  init(experiment: String, process: String, metrics: [String]) {
    self.experiment = experiment
    self.process = process
    self.metrics = metrics
  }

  private func compact(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : value.description
  }
}

extension Estimate? {
  /// Value, low and high as fields of a table; empty where there is none.
  var fields: [String] { [self?.value, self?.low, self?.high].map { $0?.description ?? "" } }
}
