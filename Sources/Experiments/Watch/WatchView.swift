// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// What `watch` shows of a results folder, fitted to a window: state, loss curve, last picture and solvers of a run; or
/// a table of the runs that lie in the folder.
public struct WatchView: Sendable {
  /// No line takes more columns than the window has, and there are no more lines than it has rows.
  public let lines: [String]
  /// Whether something runs.
  public let isRunning: Bool

  /// - Parameters:
  ///   - path: a results folder, or one of such folders.
  ///   - terminal: the window.
  /// - Throws: `InputError` for a folder that is missing, or that has no results.
  public init(of path: String, in terminal: Terminal) throws {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let lines: [String]
    // A sweep's own folder has a lock and a manifest, too.
    if RunList.isSweep(path) || !RunSnapshot.isRun(path), let runs = RunList(of: path) {
      (lines, isRunning) = (runs.lines(in: terminal), runs.isRunning)
    } else {
      let run = try RunSnapshot(of: path)
      (lines, isRunning) = (Self.lines(of: run, in: terminal), run.state.isRunning)
    }
    self.lines = Array(lines.prefix(max(1, terminal.rows)))
  }

  private static func lines(of run: RunSnapshot, in terminal: Terminal) -> [String] {
    let columns = max(1, terminal.columns)
    func cut(_ text: String) -> String { text.inOneLine.cut(to: columns, isUnicode: terminal.isUnicode) }
    let title = run.process.isEmpty ? run.name : "\(run.name) (\(run.process))"
    var lines = (["\(title): \(run.state.text)"] + status(of: run, columns)).map(cut)
    let table = solvers(of: run, columns).map(cut)
    // The curve and the picture have what is left, with a blank line before and after.
    let room = terminal.rows - lines.count - (table.isEmpty ? 0 : min(table.count, max(3, terminal.rows / 3)) + 1) - 1
    if run.total != nil, room >= 4, columns >= 20 {
      lines.append("")
      lines += body(of: run, columns: columns, rows: room, terminal)
    }
    if !table.isEmpty {
      lines.append("")
      let rest = max(1, terminal.rows - lines.count)
      lines += rest >= table.count ? table : table.prefix(rest - 1) + [cut("and \(table.count - rest + 1) more")]
    }
    return lines
  }

  /// Step, loss, learning rate and time left; on several lines where one is too narrow.
  private static func status(of run: RunSnapshot, _ columns: Int) -> [String] {
    guard let total = run.total else { return [] }
    var parts: [String] = []
    if let last = run.rows.last {
      parts.append("step \(last.step)/\(total) (\(last.step * 100 / max(1, total)) %)")
      parts.append(String(format: "loss %.4g", last.loss))
      if let rate = last.rate { parts.append(String(format: "learning rate %.3g", rate)) }
      if let left = run.secondsLeft { parts.append("\(ProgressLine.text(ofSeconds: left)) left") }
      if let age = run.secondsSinceRow, run.state == .training, age >= 10 {
        parts.append("last row \(ProgressLine.text(ofSeconds: age)) ago")
      }
    } else {
      parts.append("step 0/\(total): no row of training.csv yet")
    }
    var lines: [String] = []
    for part in parts {
      if let last = lines.last, last.count + 2 + part.count <= columns {
        lines[lines.count - 1] += "  " + part
      } else {
        lines.append(part)
      }
    }
    return lines
  }

  /// The loss curve and the last picture: side by side in a wide window, one below the other in a high one.
  private static func body(of run: RunSnapshot, columns: Int, rows: Int, _ terminal: Terminal) -> [String] {
    func plot(_ columns: Int, _ rows: Int) -> [String] {
      LossPlot(
        run.rows.map { ($0.step, $0.loss) }, columns: columns, rows: min(rows, 16), isUnicode: terminal.isUnicode
      ).lines
    }
    let png = run.preview.flatMap { FileManager.default.contents(atPath: $0.path) }
    func picture(_ columns: Int, _ rows: Int) -> TextPicture? {
      png.flatMap { TextPicture(png: $0, columns: columns, rows: rows, terminal: terminal) }
    }
    let caption = run.preview.map { "samples at step \($0.step)" } ?? ""
    if columns >= 64, rows >= 6, let picture = picture(columns * 2 / 5, rows - 1) {
      let left = columns - picture.columns - 2
      let curve = plot(left, rows)
      let right =
        picture.lines + [caption.cut(to: picture.columns, isUnicode: terminal.isUnicode)]
      return (0..<max(curve.count, right.count)).map { row in
        let text = row < curve.count ? curve[row] : ""
        return row < right.count ? text.padded(to: left) + "  " + right[row] : text
      }
    }
    if rows >= 16, let picture = picture(columns, rows / 2 - 1) {
      return plot(columns, rows - picture.lines.count - 1) + picture.lines + [caption]
    }
    return plot(columns, rows)
  }

  /// A line for each solver, under a header.
  private static func solvers(of run: RunSnapshot, _ columns: Int) -> [String] {
    guard !run.solvers.isEmpty, run.state != .training else { return [] }
    let current = run.state == .sampling ? run.solvers.first { $0.done == nil }?.name : nil
    // Names are cut before numbers are.
    let widest = max(8, columns - 30)
    let lines = run.solvers.map { solver -> [String] in
      let name = solver.name.cut(to: widest, isUnicode: false)
      guard let done = solver.done else {
        return [name, "", "", solver.name == current ? "being drawn" : run.state.isRunning ? "waits" : "not drawn"]
      }
      return [name, done.steps, done.nfe, done.seconds.map { String(format: "%.3g", $0) } ?? ""]
    }
    return TextTable([["solver", "steps", "NFE", "seconds"]] + lines).text.split(separator: "\n").map(String.init)
  }
}

extension RunSnapshot.State {
  /// For people.
  var text: String {
    switch self {
    case .training: "training"
    case .sampling: "sampling"
    case .judging: "judging samples"
    case .finished: "finished"
    case .failed(let reasons): "ended with a failure: \(reasons.first ?? "")"
    case .stopped: "not running, and not finished; the same command goes on"
    }
  }
}
