// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Solvers

/// The orders of a config's solvers, as a CSV file and as a table for the terminal.
struct OrderTable {
  private var csv = CSVText(columns: [
    "solver", "kind", "equation", "start", "steps", "error", "order", "order_low", "order_high",
  ])
  private var lines: [[String]]

  init(steps: [Int]) {
    lines = [["solver", "equation", "start", "order", "95 %", "error at \(steps.last ?? 0) steps"]]
  }

  var isEmpty: Bool { lines.count == 1 }
  var data: Data { Data(csv.text.utf8) }
  var text: String { TextTable(lines).text }

  mutating func add(
    _ result: ConvergenceStudy.Measurement, of named: SamplingPlan.NamedSolver, equation: String, start: String
  ) {
    let order = [result.order, result.interval?.lowerBound, result.interval?.upperBound].map { $0?.description ?? "" }
    for (count, error) in zip(result.steps, result.errors) {
      csv.add([named.name, named.kind, equation, start, String(count), error.description] + order)
    }
    let interval = result.interval.map { String(format: "%.2f–%.2f", $0.lowerBound, $0.upperBound) } ?? ""
    lines.append([
      named.name, equation, start, result.order.map { String(format: "%.2f", $0) } ?? "", interval,
      result.errors.last.map { String(format: "%.2g", $0) } ?? "",
    ])
  }
}

extension Experiment {
  /// How many first steps are exact in the second measurement of a method of the flow: as many as a multistep method
  /// looks back.
  private static let exactSteps = 3

  /// Measures the order of every solver of the config that is a plain loop of steps, with numbers of steps of its own,
  /// and writes a CSV file: a row for each number of steps.
  /// - Parameters:
  ///   - steps: at least two numbers of steps, rising.
  ///   - rows: how many rows errors are taken over; a multiple of 16.
  ///   - output: the CSV file to write.
  /// - Returns: a table for the terminal.
  public func measureOrders(steps: [Int], rows: Int, output: String) throws -> String {
    try requireScore()
    let data = try loadData()
    let source = try score(ScoreOrigin(self, data), data)
    let score = try samplingScore(source, data)
    let study = ConvergenceStudy(
      process: plan.prepared, score: score, dimension: data.source.dimension, seed: plan.seed,
      epsilon: plan.sampling.epsilon, steps: steps, rows: rows,
      beginning: try plan.sampling.beginning(
        startStates(source, data), plan.prepared, seed: plan.seed, repeats: 1, by: score),
      threads: threads)
    var references: [String: Batch] = [:]
    var table = OrderTable(steps: steps)
    let bar = ProgressBar("orders \(plan.name)", total: plan.sampling.solvers.count, unit: "solver", quiet: quiet)
    defer { bar.finish() }
    for named in plan.sampling.solvers {
      defer { bar.advance(by: 1) }
      guard let loop = named.solver.fixedSteps, loop.limit != .law else { continue }
      let (method, grid) = (loop.predictor, loop.grid ?? plan.sampling.grid)
      // Times that are found for one number of steps have no order.
      if grid is OptimisedGrid { continue }
      let equation = method.isStochastic ? "sde" : "ode"
      let key = "\(equation) \(grid)"
      let reference = try references[key] ?? study.reference(isStochastic: method.isStochastic, grid: grid)
      references[key] = reference
      for start in method.isStochastic ? [0] : [0, Self.exactSteps] {
        let result = try study.measure(method, grid: grid, against: reference, exactStart: start)
        table.add(result, of: named, equation: equation, start: start == 0 ? "shipped" : "exact")
      }
    }
    guard !table.isEmpty else { throw InputError("no solver of the config is a plain loop of steps", at: plan.name) }
    try AtomicFile.write(table.data, to: output)
    return table.text
  }
}
