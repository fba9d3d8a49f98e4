// SPDX-License-Identifier: GPL-3.0-or-later
import Evaluation

/// `evaluation.csv`: a row for each figure, of a solver or of the model itself, of all rows or of a class.
struct EvaluationTable {
  struct Row {
    /// nil: the figure is one of the model.
    let solver: String?
    /// As in `solvers.csv`, without bounds.
    let metric: String
    /// nil: all rows.
    var label: Int?
    /// From 1; nil: all together.
    var repetition: Int?
    var estimate: Estimate?
    /// The same metric of real rows.
    var data: Estimate?
    /// Samples, or rows of the model's figure, and held-out rows that they are compared with; nil where there are none.
    let count: Int
    var heldOut: Int?
    let better: Direction
  }

  let experiment: String
  var rows: [Row] = []

  static let columns = [
    "experiment", "solver", "metric", "class", "repeat", "value", "low", "high", "data", "data_low", "data_high",
    "count",
    "held_out", "better",
  ]

  func csv() -> String {
    var table = CSVText(columns: Self.columns)
    for row in rows {
      var fields = [experiment, row.solver ?? "", SolverTable.column(row.metric)]
      fields += [row.label.map(String.init) ?? "", row.repetition.map(String.init) ?? "all"]
      fields += row.estimate.fields + row.data.fields
      fields += [String(row.count), row.heldOut.map(String.init) ?? "", row.better.rawValue]
      table.add(fields)
    }
    return table.text
  }
}
