// SPDX-License-Identifier: GPL-3.0-or-later
import Evaluation
import Foundation

/// What a run prints of its solvers: costs, metrics with their intervals, the same metrics of real data, and which
/// solvers they cannot tell apart.
struct SolverSummary {
  let table: SolverTable
  /// The metrics of real rows.
  let data: [String: Estimate]
  /// By metric; empty where nothing was judged.
  let distinctions: [String: Distinction]

  init(_ table: SolverTable, data: [String: Estimate] = [:], distinctions: [String: Distinction] = [:]) {
    (self.table, self.data, self.distinctions) = (table, data, distinctions)
  }

  /// For the terminal.
  var text: String {
    // Names of metrics are longer than their numbers: they stand in two lines.
    let names = table.metrics.map { $0.split(separator: "-", maxSplits: 1).map(String.init) }
    let isTall = names.contains { $0.count > 1 }
    let end = distinctions.isEmpty ? "" : " "
    var lines = [
      ["solver", "steps", "NFE", "seconds"] + names.map { ($0.count > 1 ? "\($0[0])-" : isTall ? "" : $0[0]) + end }
    ]
    if isTall { lines.append(["", "", "", ""] + names.map { ($0.last ?? "") + end }) }
    for (index, row) in table.rows.enumerated() {
      let costs = [row.steps, row.nfe, row.seconds].map(ConciseNumber.text)
      let metrics = table.metrics.map { name in
        row.metrics[name].map { ConciseNumber.text($0) + mark(index, name) } ?? end
      }
      lines.append([row.solver] + costs + metrics)
    }
    if !data.isEmpty {
      lines.append(["data", "", "", ""] + table.metrics.map { (data[$0].map(ConciseNumber.text) ?? "") + end })
    }
    return ([TextTable(lines).text] + legend + blindness(naming: 5)).joined(separator: "\n")
  }

  private func mark(_ solver: Int, _ metric: String) -> String {
    guard let distinction = distinctions[metric] else { return distinctions.isEmpty ? "" : " " }
    if distinction.best == solver { return "*" }
    return distinction.likeBest.contains(solver) ? "≈" : " "
  }

  private var legend: [String] {
    let hasIntervals = table.rows.contains { $0.metrics.values.contains { $0.low != nil } }
    guard hasIntervals else { return [] }
    let parts = [
      "0.123(45) is 0.123 ± 0.045, a 95 % interval", distinctions.isEmpty ? "" : "* the best, ≈ not told from it",
      data.isEmpty ? "" : "data: real rows in place of samples",
    ]
    return [parts.filter { !$0.isEmpty }.joined(separator: "; ")]
  }

  /// A line for each metric that cannot tell the best solver from another one.
  /// - Parameter limit: how many others are named; of more, it is said how many there are.
  func blindness(naming limit: Int = .max) -> [String] {
    table.metrics.compactMap { metric in
      guard let distinction = distinctions[metric], let best = distinction.best, !distinction.likeBest.isEmpty else {
        return nil
      }
      let test = "(at 95 %, over all pairs by Holm)"
      if distinction.isBlind && table.rows.count > 2 {
        return "\(metric) cannot tell any of the solvers apart \(test)"
      }
      let others = distinction.likeBest.map { table.rows[$0].solver }
      let names = others.count > limit ? "\(others.count) others" : others.joined(separator: ", ")
      return "\(metric) cannot tell the best, \(table.rows[best].solver), from \(names) \(test)"
    }
  }
}
