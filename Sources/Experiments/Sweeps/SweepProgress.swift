// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Synchronization

/// How far a sweep is: shared by its workers.
final class SweepProgress: Sendable {
  struct State {
    fileprivate(set) var queue: SweepQueue
    fileprivate(set) var table: SweepTable
    /// Indices of runs that are done.
    fileprivate(set) var done: Set<Int> = []
    /// Those that were done before.
    fileprivate(set) var before = 0
    fileprivate(set) var postponed: Set<Int> = []
    fileprivate(set) var failures: [Int: String] = [:]
    /// What no run can go on after.
    fileprivate(set) var error: (any Error)?
  }

  /// The table could not be written.
  struct TableError: Error, CustomStringConvertible {
    let error: any Error
    var description: String { "\(error)" }
  }

  let started = Manifest.now()
  /// Indices of runs that were not done when the sweep began.
  let open: [Int]
  private let sweep: Sweep
  private let results: ResultsFolder
  private let bar: ProgressBar
  private let shared: Mutex<State>
  /// When the table was written last, and how long that took.
  private let written = Mutex<(end: ContinuousClock.Instant, seconds: Double)?>(nil)

  /// Looks at what is done already.
  init(_ sweep: Sweep, _ results: ResultsFolder) throws {
    (self.sweep, self.results) = (sweep, results)
    var table = SweepTable(keys: sweep.keys)
    var done: Set<Int> = []
    for (index, run) in sweep.runs.enumerated() {
      guard let tables = sweep.tables(of: run) else { continue }
      table.add(run, tables)
      done.insert(index)
    }
    let open = sweep.runs.indices.filter { !done.contains($0) }
    self.open = open
    let networks = sweep.runs.map { $0.network.map(ModelStore.name) }
    let trained = Set(open.compactMap { sweep.hasNetwork(sweep.runs[$0]) ? networks[$0] : nil })
    let state = State(
      queue: SweepQueue(open, networks: networks, trained: trained), table: table, done: done, before: done.count)
    shared = Mutex(state)
    bar = ProgressBar(
      "sweep \(sweep.name)", total: sweep.runs.count, before: done.count, unit: "run", quiet: sweep.quiet)
    try write(table)
  }

  var state: State { shared.withLock { $0 } }

  /// The next run to do; nothing after an error that concerns all.
  func next() -> SweepQueue.Step { shared.withLock { $0.error == nil ? $0.queue.next() : .end } }

  /// Leaves a run for later that another program does now.
  func postpone(_ run: SweepRun, _ error: InUseError) {
    let isNew = shared.withLock {
      $0.queue.postpone(run.number - 1)
      return $0.postponed.insert(run.number - 1).inserted
    }
    if isNew && !sweep.quiet {
      let process = error.process.map { "process \($0)" } ?? "another process"
      StandardStreams.report("score-sde: \(sweep.name): run \(run.name): \(process) does it now; waiting for it\n")
    }
  }

  func finish(_ run: SweepRun, _ tables: RunTables) throws {
    shared.withLock {
      $0.table.add(run, tables)
      $0.done.insert(run.number - 1)
      $0.queue.finish(run.number - 1, hasNetwork: true)
    }
    try writeIfDue()
  }

  func fail(_ run: SweepRun, _ error: any Error) {
    let reason = (error as? ExperimentFailure)?.reasons.joined(separator: "; ") ?? "\(error)"
    let hasNetwork = sweep.hasNetwork(run)
    shared.withLock {
      $0.failures[run.number - 1] = reason
      $0.queue.finish(run.number - 1, hasNetwork: hasNetwork)
    }
  }

  /// Draws the bar.
  func show() {
    let count = shared.withLock { $0.done.count + $0.failures.count }
    bar.show(count, loss: "", speed: "")
  }

  /// What ends the whole sweep.
  func fail(_ error: any Error) { shared.withLock { $0.error = $0.error ?? error } }

  /// All workers have ended.
  func end() {
    bar.finish()
    do { try write(state.table) } catch { fail(error) }
  }

  // MARK: The table

  /// Writes the table after every run; a table that takes long to write, a tenth of the time.
  private func writeIfDue() throws {
    let isDue = written.withLock { last in
      last.map { $0.end.duration(to: ContinuousClock().now).seconds > 9 * $0.seconds } ?? true
    }
    guard isDue else { return }
    do { try write(nil) } catch { throw TableError(error: error) }
  }

  /// One at a time, so that an older table never takes the place of a newer one.
  private func write(_ table: SweepTable?) throws {
    try written.withLock { last in
      let start = ContinuousClock().now
      try results.write((table ?? state.table).csv, to: "sweep.csv")
      let end = ContinuousClock().now
      last = (end, start.duration(to: end).seconds)
    }
  }

  // MARK: The summary

  func summary(in results: ResultsFolder) -> String {
    let state = state
    let now = state.done.count - state.before
    var parts = ["\(state.done.count) of \(sweep.runs.count) runs are done"]
    if state.before > 0 { parts.append("\(state.before) of them before, \(now) now") }
    if !state.failures.isEmpty { parts.append("\(state.failures.count) failed") }
    var lines = ["sweep \(sweep.name): \(parts.joined(separator: "; "))"]
    if let best = state.table.best { lines.append(best) }
    lines.append("\(results.path): config.yaml, manifest.json, sweep.csv, runs")
    return lines.joined(separator: "\n")
  }
}
