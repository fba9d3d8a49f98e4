// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Synchronization

/// One run that is to be done now.
public struct SweepTask: Sendable {
  /// Which run it is.
  public let run: SweepRun
  /// Its config with every default written out.
  public let resolved: String
  /// What the sweep and `--set` changed in the config: the column `overrides` of its tables.
  public let overrides: String
  /// The kinds that the config may name.
  public let catalogue: Catalogue
  /// The folder of its results.
  public let folder: String
  /// Where trained networks are kept.
  public let store: ModelStore
  /// How many threads it may use.
  public let threads: Int

  /// Does it within this process.
  /// - Throws: as `Experiment.run`.
  public func perform() throws {
    try Self.perform(
      resolved, overrides: overrides, catalogue: catalogue, folder: folder, store: store, threads: threads)
  }

  /// Does a run by the texts of a task that another process has.
  /// - Parameters:
  ///   - resolved: the config of the run, with every default.
  ///   - overrides: what the command line and the sweep changed.
  ///   - catalogue: the kinds that the config may name.
  ///   - folder: where results go.
  ///   - store: where trained networks are kept; nil: the usual place.
  ///   - threads: how many it may use.
  /// - Throws: as `Experiment.run`.
  public static func perform(
    _ resolved: String, overrides: String, catalogue: Catalogue, folder: String, store: ModelStore? = nil, threads: Int
  ) throws {
    let source = try ConfigSource(resolved: resolved, path: "\(folder)/config.yaml", settings: overrides)
    let plan = try ExperimentPlan(source, catalogue: catalogue)
    _ = try Experiment(plan, catalogue: catalogue, folder: folder, store: store, threads: threads, quiet: true).run()
  }
}

extension Sweep {
  /// Does every run that is not done yet, some at a time, and writes `sweep.csv` after each.
  /// - Parameters:
  ///   - isCollecting: whether nothing is run, and only what is done is gathered.
  ///   - perform: does one run, on a thread of its own.
  ///   - tell: is given a line for what is missing, of what is only gathered.
  /// - Returns: what to print.
  /// - Throws: `InputError` before anything is written; `InUseError` where another sweep writes to the folder;
  ///   `ExperimentFailure` after all other runs where some failed, or where a signal stopped the sweep; `WriteError`.
  public func run(
    isCollecting: Bool = false, by perform: @escaping @Sendable (SweepTask) throws -> Void = { try $0.perform() },
    tell: (String) -> Void = { StandardStreams.report("score-sde: \($0)\n") }
  ) throws -> String {
    try requireOwnFolder()
    let results = try ResultsFolder(creating: folder, holds: "runs")
    let text = try arrange(in: results)
    let progress = try SweepProgress(self, results)
    if !isCollecting { try finish(progress, perform) }
    let summary = try conclude(progress, results, text, isCollecting: isCollecting)
    if isCollecting { UnfinishedRuns(self, done: progress.state.done).lines.forEach(tell) }
    return summary
  }

  /// - Throws: `InUseError` where another sweep writes to the folder; `InputError` where one run wrote there.
  func requireOwnFolder() throws {
    try ResultsFolder.requireUnused(folder)
    if let other = Manifest.summary(of: folder), other.runs == nil {
      throw InputError("holds the results of one run, and no sweep; allowed: another --output", at: folder)
    }
  }

  /// Writes the sweep's config, and moves finished runs to the folders of their numbers.
  /// - Returns: the config's text.
  func arrange(in results: ResultsFolder) throws -> String {
    let text = try config.plan().resolved
    try results.write(text, to: "config.yaml")
    try SweepFolders(path: folder).arrange(runs)
    return text
  }

  /// Works on all that is left.
  private func finish(_ progress: SweepProgress, _ perform: @escaping @Sendable (SweepTask) throws -> Void) throws {
    let stop = StopSignals.Listener()
    let group = DispatchGroup()
    for _ in 0..<min(jobs, progress.open.count) {
      group.enter()
      // Not of the pool, which has no more threads than processors.
      let thread = Thread {
        work(progress, stop, perform)
        group.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    while group.wait(timeout: .now() + 0.25) == .timedOut { progress.show() }
    progress.end()
  }

  private func work(
    _ progress: SweepProgress, _ stop: StopSignals.Listener, _ perform: @Sendable (SweepTask) throws -> Void
  ) {
    do {
      // Nodes of YAML belong to one thread.
      let plan = try config.plan()
      while !stop.isAsked {
        switch progress.next() {
        case .end: return
        case .wait: usleep(20_000)
        case .run(let index): try work(on: runs[index], plan, progress, stop, perform)
        }
      }
    } catch {
      progress.fail(error)
    }
  }

  private func work(
    on run: SweepRun, _ plan: SweepPlan, _ progress: SweepProgress, _ stop: StopSignals.Listener,
    _ perform: @Sendable (SweepTask) throws -> Void
  ) throws {
    let path = "\(folder)/\(run.folder)"
    func user() -> InUseError? {
      do { try ResultsFolder.requireUnused(path) } catch { return error as? InUseError }
      return nil
    }
    func postpone(_ error: InUseError) {
      progress.postpone(run, error)
      usleep(100_000)
    }
    if let user = user() { return postpone(user) }
    // Another program may have done it meanwhile.
    if let tables = tables(of: run) { return try progress.finish(run, tables) }
    do {
      let decoded = try plan.run(run.number)
      guard decoded.run.configHash == run.configHash else {
        throw InputError("a file that the config names has changed since the sweep began", at: config.path)
      }
      try perform(
        SweepTask(
          run: run, resolved: decoded.plan.resolved, overrides: decoded.plan.overrides, catalogue: config.catalogue,
          folder: path, store: store,
          threads: threads))
      guard let tables = tables(of: run) else {
        throw WriteError(path: path, reason: "the run ended well, and its files are not there")
      }
      try progress.finish(run, tables)
    } catch {
      if stop.isAsked { return }
      if let user = user() ?? error as? InUseError { return postpone(user) }
      if error is SweepProgress.TableError { throw error }
      progress.fail(run, error)
    }
  }

  /// Writes the manifest, and says how it went.
  private func conclude(
    _ progress: SweepProgress, _ results: ResultsFolder, _ text: String, isCollecting: Bool
  ) throws -> String {
    let state = progress.state
    var reasons = state.failures.sorted { $0.key < $1.key }.map { index, reason in
      "run \(runs[index].name) (\(runs[index].settings)): \(reason)"
    }
    let open = runs.count - state.done.count
    if let signal = StopSignals.received, !isCollecting, open > 0 {
      reasons.append(
        "stopped by \(StopSignals.name(of: signal)); \(state.done.count) of \(runs.count) runs are done; the same command "
          + "does the rest")
    }
    if let error = state.error { reasons.append("\(error)") }
    try close(results, progress, text, failures: reasons)
    let summary = progress.summary(in: results)
    guard reasons.isEmpty else { throw ExperimentFailure(reasons: reasons, summary: summary) }
    return summary
  }

  /// Writes the manifest, and ends this program's time in the folder.
  func close(_ results: ResultsFolder, _ progress: SweepProgress, _ text: String, failures: [String]) throws {
    var manifest = Manifest(sweep: name, config: text, count: runs.count, jobs: jobs, threads: threads)
    manifest.started = progress.started
    manifest.runs = Dictionary(uniqueKeysWithValues: progress.state.done.map { (runs[$0].name, runs[$0].configHash) })
    manifest.failures = failures
    let others = SweepFolders(path: folder).others(than: runs)
    if !others.isEmpty {
      let names = others.prefix(5).joined(separator: ", ") + (others.count > 5 ? " and \(others.count - 5) more" : "")
      manifest.notes.append("in runs, and none of this sweep's: \(names)")
    }
    manifest.finished = Manifest.now()
    manifest.peakMemoryMib = Manifest.peakMemory
    try results.finish(manifest)
    if !quiet { for note in manifest.notes { StandardStreams.report("score-sde: \(name): \(note)\n") } }
  }
}
