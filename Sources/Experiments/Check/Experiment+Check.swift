// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

extension Experiment {
  /// Looks at the config's process: whether kernel and drift agree, whether the prior is reached, whether the reverse
  /// process returns to the data under the exact score; and proposes σ_max and ε. Trains nothing.
  /// - Parameters:
  ///   - rows: how many rows are simulated.
  ///   - steps: how many steps they take from 0 to T.
  ///   - tolerance: how much noise may be left at ε, in deviations of the data.
  ///   - output: a CSV file to write, a row for each finding; nil: nothing is written.
  /// - Returns: a table for the terminal.
  /// - Throws: `ExperimentFailure` with that table where something is not as it should be.
  public func checkProcess(rows: Int, steps: Int, tolerance: Double, output: String? = nil) throws -> String {
    try requireScore()
    if let output { try PointFiles(input: nil, output: output).requireWritable() }
    guard plan.data.hasRows else { throw InputError("has no rows; a check simulates some", at: "data") }
    let data = try loadData()
    let check = ProcessCheck(
      plan: plan, source: data.source, dataset: data.seen, rows: rows, steps: steps, threads: threads,
      tolerance: tolerance)
    let bar = ProgressBar("check \(plan.name)", total: nil, quiet: quiet)
    defer { bar.finish() }
    let findings = try check.findings()
    bar.finish()
    let table = FindingTable(findings: findings)
    if let output { try AtomicFile.write(Data(table.csv.utf8), to: output) }
    let failures = table.failures(of: plan.name)
    if !failures.isEmpty { throw ExperimentFailure(reasons: failures, summary: table.text) }
    return table.text
  }
}
