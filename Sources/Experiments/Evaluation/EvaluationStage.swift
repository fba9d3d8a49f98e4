// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation

/// Judges samples that were drawn, and the model that they were drawn from.
struct EvaluationStage {
  let plan: EvaluationPlan
  let solvers: [SamplingPlan.NamedSolver]
  /// What samples are compared with.
  let rows: JudgedRows
  /// How many values a row has.
  let dimension: Int
  /// Compares solvers with exact solutions; nil where the plan does not ask for it.
  let pathErrors: PathErrors?
  /// Compares solvers with the exact flow; nil where the plan does not ask for it.
  var mapErrors: MapErrors?
  /// nil where no metric judges it.
  let model: JudgedModel?
  /// Metrics that would take too long, and were not asked for by name.
  let leftOut: [String]
  /// What a reader should know of what samples are compared with.
  let notes: [String]
  /// Is told of every figure.
  let progress: ProgressBar

  /// Those that judge samples.
  var metrics: [(name: String, metric: any Metric)] { plan.metrics.filter { !leftOut.contains($0.name) } }

  /// What was found.
  struct Findings {
    var table: SolverTable
    /// Samples or models that could not be judged.
    var failures: [String] = []
    /// Metrics that are not defined for these rows and stay empty, which is no failure, and what samples were compared
    /// with.
    var notes: [String] = []
    /// The figures of real rows, by metric.
    var data: [String: Estimate] = [:]
    var distinctions: [String: Distinction] = [:]
    /// The rows of `evaluation.csv`.
    fileprivate var rows: [EvaluationTable.Row] = []

    mutating func note(_ line: String) { if !notes.contains(line) { notes.append(line) } }
  }

  /// Adds the metrics of every solver's samples to its row. One that fails is reported, and the others go on.
  func run(_ sampled: SolverTable, in folder: ResultsFolder) throws -> Findings {
    defer { progress.finish() }
    var found = Findings(table: sampled)
    found.table.metrics = plan.columns
    let isJudging = !metrics.isEmpty && !sampled.rows.isEmpty
    if isJudging {
      (notes + rows.notes).forEach { found.note($0) }
      for name in leftOut {
        found.note("metric \(name) is empty: it compares with all training rows, which takes long; name it to have it")
      }
    }
    let real = isJudging ? try realFigures(&found) : []
    for index in sampled.rows.indices {
      let solver = sampled.rows[index].solver
      try reporting("solver \(solver)", &found) {
        try judge(index, real, in: folder, &$0)
        try addPathError(index, &$0)
        try addMapErrors(index, &$0)
      }
    }
    for (name, metric) in plan.modelMetrics {
      try reporting(name, &found) { try judge(name, metric, &$0) }
    }
    for name in plan.columns where found.table.rows.count > 1 {
      found.distinctions[name] = Distinction(
        found.table.rows.map { $0.metrics[name] }, better: plan.better(name),
        floor: name == EvaluationPlan.pathErrorName ? pathErrors?.floor ?? 0 : -.infinity)
    }
    let table = EvaluationTable(experiment: sampled.experiment, rows: found.rows)
    try folder.write(found.table.csv(), to: "solvers.csv")
    try folder.write(table.csv(), to: "evaluation.csv")
    return found
  }

  /// Keeps a failure, but for a stop.
  private func reporting(_ subject: String, _ found: inout Findings, _ body: (inout Findings) throws -> Void) throws {
    do {
      try body(&found)
    } catch let error as ComputationError where error.isStop {
      throw error
    } catch let error as InputError {
      found.failures.append("\(subject): \(error)")
    } catch let error as ComputationError {
      found.failures.append("\(subject): \(error)")
    }
  }

  // MARK: Samples

  /// What is judged, in words.
  private func subject(_ name: String, _ group: JudgedRows.Group) -> String {
    group.label.map { "\(name), class \($0)" } ?? name
  }

  /// The metrics of real rows: of each group, by metric.
  private func realFigures(_ found: inout Findings) throws -> [[String: Estimate]] {
    var figures: [[String: Estimate]] = []
    for group in rows.groups {
      let all = try estimates(of: subject("data", group), metrics.map { rows.real(group, for: $0.metric) }, &found)
      let known = zip(metrics, all).compactMap { metric, own in own.map { (metric.name, $0) } }
      figures.append(Dictionary(known) { $1 })
    }
    found.data = figures.first ?? [:]
    return figures
  }

  private func judge(
    _ index: Int, _ real: [[String: Estimate]], in folder: ResultsFolder, _ found: inout Findings
  ) throws {
    guard !metrics.isEmpty else { return }
    let solver = found.table.rows[index].solver
    // By metric, group and repeat.
    let empty = [[Estimate?]](repeating: [], count: rows.groups.count)
    var estimates = [[[Estimate?]]](repeating: empty, count: metrics.count)
    var counts = [Int](repeating: 0, count: rows.groups.count)
    for repetition in 1...plan.repeats {
      let name = SampleFile.name(solver, repetition: repetition)
      let samples = try SampleFile.read(folder, solver: name, dimension: dimension)
      for (g, group) in rows.groups.enumerated() {
        let comparison = try rows.comparison(samples, group)
        counts[g] = comparison.samples.count
        let comparisons = metrics.map { _ in comparison }
        let all = try self.estimates(of: subject("solver \(solver)", group), comparisons, &found)
        for (m, estimate) in all.enumerated() { estimates[m][g].append(estimate) }
      }
    }
    for (m, (name, metric)) in metrics.enumerated() {
      for (g, group) in rows.groups.enumerated() {
        let known = estimates[m][g].compactMap { $0 }
        let mean = known.count == plan.repeats ? Estimate.average(known) : nil
        if g == 0 { found.table.rows[index].metrics[name] = mean }
        let all = EvaluationTable.Row(
          solver: solver, metric: name, label: group.label, estimate: mean, data: real[g][name], count: counts[g],
          heldOut: group.reference.heldOut.count, better: metric.better)
        found.rows.append(all)
        for (r, estimate) in estimates[m][g].enumerated() {
          var row = all
          (row.repetition, row.estimate) = (r + 1, estimate)
          found.rows.append(row)
        }
      }
    }
  }

  /// Adds the distance from an exact solution. Where nobody asked for it, one that cannot be had is only noted.
  private func addPathError(_ index: Int, _ found: inout Findings) throws {
    let solver = found.table.rows[index].solver
    guard let pathErrors, let named = solvers.first(where: { $0.name == solver }) else { return }
    defer { progress.advance(by: 1) }
    do {
      guard let error = try pathErrors.error(of: named) else { return }
      let name = EvaluationPlan.pathErrorName
      found.table.rows[index].metrics[name] = error
      found.rows.append(
        EvaluationTable.Row(solver: solver, metric: name, estimate: error, count: pathErrors.count, better: .lower))
    } catch let error as ComputationError where !error.isStop && !plan.namesPathError {
      found.note("solver \(solver): path_error is empty: \(error)")
    } catch let error as InputError where !plan.namesPathError {
      found.note("solver \(solver): path_error is empty: \(error)")
    }
  }

  /// Adds the distances from the exact flow. Where nobody asked for them, what cannot be had is only noted.
  private func addMapErrors(_ index: Int, _ found: inout Findings) throws {
    let solver = found.table.rows[index].solver
    guard let mapErrors, let named = solvers.first(where: { $0.name == solver }) else { return }
    defer { progress.advance(by: 1) }
    do {
      let errors = try mapErrors.errors(of: named)
      for name in plan.mapErrorNames where errors[name] != nil {
        found.table.rows[index].metrics[name] = errors[name]
        found.rows.append(
          EvaluationTable.Row(
            solver: solver, metric: name, estimate: errors[name], count: mapErrors.count(of: name), better: .lower))
      }
    } catch let error as ComputationError where !error.isStop && !plan.namesMapError {
      found.note("solver \(solver): map_error is empty: \(error)")
    } catch let error as InputError where !plan.namesMapError {
      found.note("solver \(solver): map_error is empty: \(error)")
    }
  }

  // MARK: The model

  private func judge(_ name: String, _ metric: any ModelMetric, _ found: inout Findings) throws {
    guard let model else { return }
    defer { progress.advance(by: 1) }
    do {
      let judgement = try metric.judge(model)
      guard judgement.estimate.value.isFinite else {
        return found.note("metric \(name) is empty: it is \(judgement.estimate.value)")
      }
      found.rows.append(
        EvaluationTable.Row(
          solver: nil, metric: name, estimate: judgement.estimate, data: judgement.data, count: judgement.count,
          heldOut: model.heldOut.count, better: metric.better))
    } catch let error as InputError {
      found.note("metric \(name) is empty: \(error)")
    }
  }
}
