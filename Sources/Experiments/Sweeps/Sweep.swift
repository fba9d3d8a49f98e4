// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Synchronization

/// A sweep and the folder it writes to: many experiments, a folder each in `runs`, and the table `sweep.csv` of all.
///
/// Runs are done once: a run is done when its folder has a manifest without failures of the very same config, and
/// nothing in it is missing or changed. Networks are trained once, as everywhere (`ModelStore`).
public struct Sweep: Sendable {
  /// What it was decoded from.
  public let config: SweepConfig
  /// The config's name.
  public let name: String
  /// The keys that are varied.
  public let keys: [String]
  /// All runs, in the order of their numbers.
  public let runs: [SweepRun]
  /// The folder of `sweep.csv` and of the runs' folders.
  public let folder: String
  /// Where trained networks are kept.
  public let store: ModelStore
  /// How many runs are done at a time.
  public let jobs: Int
  /// Of each run.
  public let threads: Int
  /// Whether there is no progress bar and no note.
  public let quiet: Bool

  /// Decodes and checks every run.
  /// - Parameters:
  ///   - config: the sweep's config.
  ///   - folder: where results go; default: `Results/NAME`.
  ///   - store: where trained networks are kept; default: as of experiments.
  ///   - jobs: how many runs are done at a time; default: as many as processors can serve, each with its threads.
  ///   - threads: of each run; default: the processors, shared among the jobs. Results do not depend on either.
  ///   - quiet: no progress bar and no notes on standard error.
  /// - Throws: `InputError` with the place of what is wrong in the sweep or in one of its runs.
  public init(
    _ config: SweepConfig, folder: String? = nil, store: ModelStore? = nil, jobs: Int? = nil, threads: Int? = nil,
    quiet: Bool = false
  ) throws {
    let plan = try config.plan()
    self.config = config
    (name, keys) = (plan.name, plan.keys)
    self.folder = folder ?? "Results/\(plan.name)"
    self.store = store ?? .default
    self.quiet = quiet
    runs = try Self.decoded(plan.count, config)
    try Self.requireDifferent(runs, at: plan.place)
    let processors = Shards.processors
    self.jobs = min(runs.count, jobs ?? max(1, processors / (threads ?? 1)))
    self.threads = threads ?? max(1, processors / self.jobs)
  }

  /// Runs are decoded on all processors, some at a time by one plan.
  private static func decoded(_ count: Int, _ config: SweepConfig) throws -> [SweepRun] {
    let shards = Shards(rows: count, size: 16)
    let parts = Mutex([[SweepRun]](repeating: [], count: shards.count))
    try shards.forEach(threads: Shards.processors) { shard, range in
      let plan = try config.plan()
      let runs = try range.map { index in
        try StopSignals.check()
        return try plan.run(index + 1).run
      }
      parts.withLock { $0[shard] = runs }
    }
    return parts.withLock { $0 }.flatMap { $0 }
  }

  private static func requireDifferent(_ runs: [SweepRun], at place: String) throws {
    var known: [String: SweepRun] = [:]
    for run in runs {
      if let other = known[run.content] {
        throw InputError(
          "runs \(other.name) and \(run.name) are the same (\(run.settings)); allowed: every run once",
          at: place)
      }
      known[run.content] = run
    }
  }

  /// What a reader should know of the runs that are not done yet: `ExperimentPlan.foreseen`, each line once.
  /// - Parameter all: whether runs that are done are looked at as well.
  /// - Returns: warnings, and what was taken from files of other programs.
  public func foreseen(all: Bool = false) throws -> (warnings: [String], notes: [String]) {
    let open = runs.filter { all || tables(of: $0) == nil }
    let shards = Shards(rows: open.count, size: 4)
    let found = Mutex([[(warnings: [String], notes: [String])]](repeating: [], count: shards.count))
    try shards.forEach(threads: Shards.processors) { shard, range in
      let plan = try config.plan()
      let lines = try range.map { index in
        try StopSignals.check()
        let decoded = try plan.run(open[index].number).plan
        return (warnings: try decoded.foreseen(), notes: decoded.notes)
      }
      found.withLock { $0[shard] = lines }
    }
    let lines = found.withLock { $0 }.flatMap { $0 }
    return (Self.joined(lines.map(\.warnings), open), Self.joined(lines.map(\.notes), open))
  }

  /// Lines that differ in nothing but numbers, as one: the first of them.
  private static func joined(_ lines: [[String]], _ runs: [SweepRun]) -> [String] {
    var order: [(line: String, key: String)] = []
    var places: [String: [String]] = [:]
    for (run, own) in zip(runs, lines) {
      for line in own {
        let key = line.filter { !$0.isNumber }
        if places[key] == nil { order.append((line, key)) }
        if places[key]?.last != run.name { places[key, default: []].append(run.name) }
      }
    }
    return order.map { line, key in
      let names = places[key] ?? []
      let others =
        names.count == 2 ? "; run \(names[1]) alike" : names.count > 2 ? "; \(names.count - 1) more alike" : ""
      return "\(line) (run \(names[0])\(others))"
    }
  }

  /// The tables of a run that is done; nil of others.
  func tables(of run: SweepRun) -> RunTables? {
    RunFolder(path: "\(folder)/\(run.folder)").finished(run.configHash)
  }

  /// Whether a run's network is there, or it needs none.
  func hasNetwork(_ run: SweepRun) -> Bool { run.network.map { store.finished($0).exists } ?? true }
}
