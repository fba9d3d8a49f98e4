// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The runs that lie in a folder: those of a sweep, in its folder `runs`, or those of a folder like `Results`.
struct RunList: Sendable {
  private let path: String
  private let runs: [(name: String, run: RunSnapshot)]

  /// - Returns: nil for a folder that has none.
  init?(of path: String) {
    let base = Self.isSweep(path) ? path + "/runs" : path
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []).filter { !$0.hasPrefix(".") }
    runs = names.sorted().compactMap { name in
      guard RunSnapshot.isRun("\(base)/\(name)"), let run = try? RunSnapshot(of: "\(base)/\(name)") else { return nil }
      return (name, run)
    }
    self.path = path
    if runs.isEmpty { return nil }
  }

  static func isSweep(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path + "/runs", isDirectory: &isFolder) && isFolder.boolValue
  }

  var isRunning: Bool { runs.contains { $0.run.state.isRunning } }

  /// A line for each run; where there are more than the window has rows, those that run come first.
  func lines(in terminal: Terminal) -> [String] {
    let finished = runs.filter { $0.run.state == .finished }.count
    let running = runs.filter { $0.run.state.isRunning }.count
    let title = "\(runs.count) runs, \(running) running, \(finished) finished: \(path)"
    let room = max(1, terminal.rows - 3)
    var shown = runs
    if runs.count > room {
      shown = runs.filter { $0.run.state.isRunning } + runs.filter { !$0.run.state.isRunning }
    }
    let rows = shown.prefix(room).map { name, run -> [String] in
      let last = run.rows.last
      return [
        name, last.flatMap { row in run.total.map { "\(row.step)/\($0)" } } ?? "",
        last.map { String(format: "%.3g", $0.loss) } ?? "",
        run.secondsLeft.map { ProgressLine.text(ofSeconds: $0) } ?? "",
        run.state.text,
      ]
    }
    let table = TextTable([["run", "step", "loss", "left", "state"]] + rows, endsInProse: true).text
    return ([title, ""] + table.split(separator: "\n").map(String.init)).map {
      $0.inOneLine.cut(to: max(1, terminal.columns), isUnicode: terminal.isUnicode)
    }
  }
}
