// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

extension Sweep {
  /// Does one run, unless it is done: what one task of an array job calls.
  /// - Parameters:
  ///   - number: from 1.
  ///   - config: the sweep's config; other runs of it are not looked at.
  ///   - folder: of the sweep; default: `Results/NAME`.
  ///   - store: where trained networks are kept; default: as of experiments.
  ///   - threads: of the run; default: the processors. Results do not depend on it.
  ///   - patience: for how many seconds to wait where another process does the run.
  ///   - quiet: no progress bar and no notes on standard error.
  ///   - look: is given the plan before anything is done.
  /// - Returns: what to print.
  /// - Throws: as `Experiment.run`; `InUseError` where another process does the run, also after that time.
  public static func run(
    _ number: Int, of config: SweepConfig, folder: String? = nil, store: ModelStore? = nil, threads: Int? = nil,
    patience: Int = 0, quiet: Bool = false, look: (ExperimentPlan) throws -> Void = { _ in }
  ) throws -> String {
    let plan = try config.plan()
    guard (1...plan.count).contains(number) else {
      throw InputError("is \(number); allowed: 1 to \(plan.count)", at: "--run")
    }
    let (run, experiment) = try plan.run(number)
    let path = "\(folder ?? "Results/\(plan.name)")/\(run.folder)"
    try look(experiment)
    let end = ContinuousClock().now + .seconds(patience)
    var isTold = quiet
    while true {
      if RunFolder(path: path).finished(run.configHash) != nil { return "\(path): run \(run.name) is done" }
      do {
        let summary = try Experiment(
          experiment, catalogue: config.catalogue, folder: path, store: store, threads: threads, quiet: quiet
        ).run()
        return "run \(run.name): \(run.settings)\n\(summary)"
      } catch let error as InUseError where ContinuousClock().now < end {
        if !isTold {
          let process = error.process.map { "process \($0), perhaps of another machine," } ?? "another process"
          StandardStreams.report("score-sde: \(plan.name): run \(run.name): \(process) does it now; waiting for it\n")
        }
        isTold = true
        usleep(200_000)
        try StopSignals.check()
      }
    }
  }

  /// The numbers of all runs of a config, a line each, as the names of their folders.
  public static func numbers(of config: SweepConfig) throws -> String {
    (1...(try config.plan().count)).map(SweepRun.name).joined(separator: "\n")
  }
}
