// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// `solvers.csv`: a row a solver, what it cost and how good its samples are.
struct SolverTable {
  struct Row {
    let solver, kind: String
    let count: Int
    let steps, nfe: Double
    let nfeMax: Int
    let seconds: Double
    var metrics: [String: Double] = [:]
  }

  var experiment: String
  var process: String
  /// Metric names as in configs; columns have underscores.
  var metrics: [String]
  var rows: [Row] = []

  static func column(_ metric: String) -> String { metric.replacing("-", with: "_") }

  func csv() -> String {
    let columns = ["experiment", "process", "solver", "kind", "count", "steps", "nfe", "nfe_max", "seconds"]
    var table = CSVText(columns: columns + metrics.map(Self.column))
    for row in rows {
      let fields = [
        experiment, process, row.solver, row.kind, String(row.count), compact(row.steps), compact(row.nfe),
        String(row.nfeMax), row.seconds.description,
      ]
      table.add(fields + metrics.map { row.metrics[$0]?.description ?? "" })
    }
    return table.text
  }

  /// Reads back what `csv` wrote.
  init(reading path: String, experiment: String, process: String, metrics: [String]) throws {
    self.init(experiment: experiment, process: process, metrics: metrics)
    guard let data = FileManager.default.contents(atPath: path) else {
      throw InputError("no such file; `sample` makes it", at: path)
    }
    let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
    for (index, line) in lines.enumerated().dropFirst() {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard fields.count >= 9, let count = Int(fields[4]), let steps = Double(fields[5]), let nfe = Double(fields[6]),
        let nfeMax = Int(fields[7]), let seconds = Double(fields[8]), isFileName(fields[2])
      else { throw InputError("not a row of this program", at: "\(path):\(index + 1)") }
      rows.append(
        Row(
          solver: fields[2], kind: fields[3], count: count, steps: steps, nfe: nfe, nfeMax: nfeMax, seconds: seconds))
    }
  }

  init(experiment: String, process: String, metrics: [String]) {
    self.experiment = experiment
    self.process = process
    self.metrics = metrics
  }

  /// The table for the terminal.
  func summary() -> String {
    var lines = [["solver", "steps", "NFE", "seconds"] + metrics]
    for row in rows {
      lines.append(
        [row.solver, rounded(row.steps), rounded(row.nfe), rounded(row.seconds)]
          + metrics.map { row.metrics[$0].map(rounded) ?? "" })
    }
    return TextTable(lines).text
  }

  /// Four significant digits.
  private func rounded(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e6 ? String(Int(value)) : String(format: "%.4g", value)
  }

  private func compact(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : value.description
  }
}
