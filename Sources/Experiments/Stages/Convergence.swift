// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Solvers

extension Experiment {
  private static let exactSteps = 3

  /// Measures the order of every solver of the config that is a plain loop of steps, with numbers of steps of its own, and
  /// writes a CSV file: a row for each number of steps.
  /// - Returns: a table for the terminal.
  public func measureOrders(steps: [Int], rows: Int, output: String) throws -> String {
    let session = try Session(self, dataset: try plan.data.load(seed: plan.seed))
    try session.requireCheckpoint()
    let study = ConvergenceStudy(
      process: plan.process, score: session.score, dimension: plan.data.dimension, seed: plan.seed,
      epsilon: plan.sampling.epsilon, steps: steps, rows: rows, threads: threads)
    var references: [String: Batch] = [:]
    var csv = "solver,kind,equation,start,steps,error,order,order_low,order_high\n"
    var lines = [["solver", "equation", "start", "order", "95 %", "error at \(steps.last ?? 0) steps"]]
    let bar = ProgressBar("orders \(plan.name)", total: plan.sampling.solvers.count, quiet: quiet)
    defer { bar.finish() }
    for named in plan.sampling.solvers {
      defer { bar.advance(by: 1) }
      guard let loop = named.solver as? PredictorCorrector, loop.limit != .law else { continue }
      let (method, grid) = (loop.predictor, loop.grid ?? plan.sampling.grid)
      let equation = method.isStochastic ? "sde" : "ode"
      let key = "\(equation) \(grid)"
      let reference = try references[key] ?? study.reference(isStochastic: method.isStochastic, grid: grid)
      references[key] = reference
      for start in method.isStochastic ? [0] : [0, Self.exactSteps] {
        let result = try study.measure(method, grid: grid, against: reference, exactStart: start)
        let label = start == 0 ? "shipped" : "exact"
        let order = [result.order, result.interval?.lowerBound, result.interval?.upperBound].map {
          $0?.description ?? ""
        }.joined(separator: ",")
        for (count, error) in zip(result.steps, result.errors) {
          csv += "\(named.name),\(named.kind),\(equation),\(label),\(count),\(error),\(order)\n"
        }
        let interval = result.interval.map { String(format: "%.2f–%.2f", $0.lowerBound, $0.upperBound) } ?? ""
        lines.append([
          named.name, equation, label, result.order.map { String(format: "%.2f", $0) } ?? "", interval,
          result.errors.last.map { String(format: "%.2g", $0) } ?? "",
        ])
      }
    }
    guard lines.count > 1 else {
      throw InputError("no solver of the config is a plain loop of steps", at: plan.name)
    }
    try writeWhole(Data(csv.utf8), to: output)
    return TextTable(lines).text
  }
}

/// Columns of text, the first to the left and the others to the right; a last column of prose to the left, too.
struct TextTable {
  let text: String

  init(_ lines: [[String]], endsInProse: Bool = false) {
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    text = lines.map { line in
      line.enumerated().map { column, text in
        let space = String(repeating: " ", count: widths[column] - text.count)
        if endsInProse && column == line.count - 1 { return text }
        return column == 0 ? text + space : space + text
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
