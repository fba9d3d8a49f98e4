// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The runs that a sweep's folder does not have yet, and what became of each: for whoever gathers the runs of an array
/// job.
struct UnfinishedRuns {
  /// A line for each run that has begun, the first of them in full, and one for all the others of a kind.
  let lines: [String]

  /// How many runs are told one by one.
  private static let longest = 50

  /// - Parameter done: indices of the runs that are done.
  init(_ sweep: Sweep, done: Set<Int>) {
    let folder = SlurmFolder(path: sweep.folder)
    let logs = folder.logs()
    var (lines, missing, busy) = ([String](), [Int](), [Int]())
    var rest: [Int] = []
    for (index, run) in sweep.runs.enumerated() where !done.contains(index) {
      let path = "\(sweep.folder)/\(run.folder)"
      if (try? ResultsFolder.requireUnused(path)) == nil {
        busy.append(run.number)
        continue
      }
      let log = logs[run.number]
      guard let reason = Self.reason(run, path, log.flatMap(folder.lastLine)) ?? (log.map { _ in "it is not done" })
      else {
        missing.append(run.number)
        continue
      }
      guard lines.count < Self.longest else {
        rest.append(run.number)
        continue
      }
      let place = log.map { "; log: \(sweep.folder)/\($0)" } ?? ""
      lines.append("run \(run.name) (\(run.settings)): \(reason)\(place)")
    }
    for (numbers, words) in [
      (rest, "not done either"), (busy, "being done by another process"), (missing, "not begun"),
    ]
    where !numbers.isEmpty {
      lines.append("run\(numbers.count == 1 ? "" : "s") \(RunRanges(numbers).words): \(words)")
    }
    self.lines = lines
  }

  /// What the folder of a run says of its end, or its log; nil where nothing has begun.
  private static func reason(_ run: SweepRun, _ path: String, _ said: String?) -> String? {
    let manifest = Manifest.summary(of: path)
    let isKilled = FileManager.default.fileExists(atPath: path + "/.lock")
    if let manifest, manifest.configHash == run.configHash, !isKilled {
      return manifest.failures.isEmpty
        ? said ?? "its files are damaged or missing" : manifest.failures.joined(separator: "; ")
    }
    if isKilled { return "it was killed" + (said.map { ": \($0)" } ?? "") }
    return said
  }
}
