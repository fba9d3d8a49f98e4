// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Solvers
import Tensors
import Training

/// An experiment and the folder it writes to: `train`, `sample` and `evaluate` are its stages, `run` does all three.
public struct Experiment: Sendable {
  public let plan: ExperimentPlan
  public let catalogue: Catalogue
  public let folder: String
  public let threads: Int
  public let quiet: Bool

  /// - Parameter folder: default: `Results/NAME`.
  public init(
    _ plan: ExperimentPlan, catalogue: Catalogue = .standard, folder: String? = nil, threads: Int? = nil,
    quiet: Bool = false
  ) {
    self.plan = plan
    self.catalogue = catalogue
    self.folder = folder ?? "Results/\(plan.name)"
    self.threads = threads ?? Shards.processors
    self.quiet = quiet
  }

  public enum Stage: String, Sendable, CaseIterable { case train, sample, evaluate }

  /// Runs the stages and returns what to print: a table and paths.
  /// - Throws: `InputError` before anything is written; `ExperimentFailure` after whatever could be finished was.
  public func run(_ stages: [Stage] = Stage.allCases) throws -> String {
    // Everything that can be refused is refused before the folder is touched.
    let dataset = try plan.data.load(seed: plan.seed)
    var session = try Session(self, dataset: dataset)
    if stages.contains(.sample) && !stages.contains(.train) { try session.requireCheckpoint() }
    var table: SolverTable?
    if !stages.contains(.train) && !stages.contains(.sample) {
      _ = try ResultsFolder(existing: folder)
      table = try SolverTable(
        reading: "\(folder)/solvers.csv", experiment: plan.name, process: session.processName,
        metrics: plan.metrics.map(\.name))
    }
    let results = try ResultsFolder(creating: folder)
    try results.write(plan.resolved, to: "config.yaml")
    var manifest = Manifest(threads: threads, name: plan.name, seed: plan.seed, started: Manifest.now())
    func timed<Value>(_ stage: Stage, _ body: () throws -> Value) rethrows -> Value {
      let start = ContinuousClock().now
      defer { manifest.seconds[stage.rawValue] = start.duration(to: ContinuousClock().now).seconds }
      return try body()
    }
    do {
      if stages.contains(.train) {
        manifest.trainingReused = try timed(.train) { try session.train(into: results) }
      }
      if stages.contains(.sample) {
        table = try timed(.sample) { try session.sample(into: results, failures: &manifest.failures) }
      }
      if stages.contains(.evaluate), let sampled = table {
        table = try timed(.evaluate) { try session.evaluate(sampled, in: results, failures: &manifest.failures) }
      }
    } catch let error as ComputationError {
      manifest.failures.append(error.description)
    }
    manifest.finished = Manifest.now()
    manifest.peakMemoryMib = Manifest.peakMemory
    try results.write(try manifest.encoded(), to: "manifest.json")
    let summary = summary(table, results, reused: manifest.trainingReused)
    if !manifest.failures.isEmpty { throw ExperimentFailure(reasons: manifest.failures, summary: summary) }
    return summary
  }

  private func summary(_ table: SolverTable?, _ results: ResultsFolder, reused: Bool) -> String {
    var lines: [String] = []
    if reused {
      lines.append("The trained network was used again: data, process, score, training and seed are the same.")
    }
    if let table, !table.rows.isEmpty { lines.append(table.summary()) }
    let files = [
      "config.yaml", "manifest.json", "training.csv", "loss_by_time.csv", "checkpoint.safetensors", "solvers.csv",
      "samples",
    ].filter { results.exists($0) }
    lines.append("\(results.path): \(files.joined(separator: ", "))")
    return lines.joined(separator: "\n")
  }
}

/// A run that went wrong after it had begun; what was finished is kept.
public struct ExperimentFailure: Error, CustomStringConvertible, Sendable {
  public let reasons: [String]
  public let summary: String
  public var description: String { reasons.joined(separator: "\n") }
}
