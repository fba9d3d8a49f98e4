// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Yams

/// What a results folder shows of its run at this moment. Everything is read, nothing is locked: another process writes
/// meanwhile, and each of its files is whole.
struct RunSnapshot: Sendable {
  enum State: Sendable, Equatable {
    case training, sampling, judging
    case finished
    /// With what the manifest says.
    case failed([String])
    /// Nobody writes here, and nobody said why.
    case stopped

    var isRunning: Bool { [.training, .sampling, .judging].contains(self) }
  }

  /// A row of `training.csv`.
  struct Row: Sendable, Equatable {
    let step: Int
    let loss: Double
    let rate: Double?
    let seconds: Double
  }

  /// A solver of the config, with what it cost as soon as its samples are there.
  struct Solver: Sendable {
    let name: String
    let kind: String
    var done: (steps: String, nfe: String, seconds: Double?)?
  }

  let path: String
  let name: String
  let process: String
  let state: State
  /// The steps of the training; nil where there is none.
  let total: Int?
  let rows: [Row]
  /// Since the last row was written; nil where there is none.
  let secondsSinceRow: Double?
  let solvers: [Solver]
  /// The last picture of `previews`, and its step.
  let preview: (path: String, step: Int)?

  /// Whether a folder has what a run leaves.
  static func isRun(_ path: String) -> Bool {
    [".lock", "config.yaml", "training.csv", "manifest.json"].contains {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
  }

  /// - Throws: `InputError` for a folder that is missing, or none of results.
  init(of path: String) throws {
    let folder = try ResultsFolder(existing: path)
    guard Self.isRun(path) else {
      throw InputError("is no results folder: it has no config.yaml, training.csv, manifest.json or .lock", at: path)
    }
    self.path = path
    let config = folder.text("config.yaml").flatMap { try? Yams.compose(yaml: $0) }
    name = config?["name"]?.scalar?.string ?? (path as NSString).lastPathComponent
    process = config?["process"]?["kind"]?.scalar?.string ?? ""
    total = config?["training"]?["steps"]?.scalar.flatMap { Int($0.string) }
    let training = CSVTable(folder.text("training.csv") ?? "")
    let rows = (0..<training.count).compactMap { row -> Row? in
      guard let step = training["step", row].flatMap({ Int($0) }), let loss = training.number("loss", row) else {
        return nil
      }
      return Row(
        step: step, loss: loss, rate: training.number("learning_rate", row),
        seconds: training.number("seconds", row) ?? 0)
    }
    self.rows = rows
    secondsSinceRow = rows.isEmpty ? nil : Self.age(of: folder.file("training.csv"))
    let table = CSVTable(folder.text("solvers.csv") ?? "")
    let solvers = (config?["sampling"]?["solvers"]?.sequence.map(Array.init) ?? []).compactMap { node -> Solver? in
      guard let name = node["name"]?.scalar?.string else { return nil }
      let row = (0..<table.count).first { table["solver", $0] == name }
      return Solver(
        name: name, kind: node["kind"]?.scalar?.string ?? "",
        done: row.map { (table["steps", $0] ?? "", table["nfe", $0] ?? "", table.number("seconds", $0)) })
    }
    self.solvers = solvers
    preview = folder.names(in: TrainingPreview.folder).compactMap { name in
      TrainingPreview.step(ofFile: name).map { (folder.file(name), $0) }
    }.max { $0.1 < $1.1 }
    let isTrained = total.map { (rows.last?.step ?? 0) + max(1, $0 / 200) > $0 } ?? true
    state = Self.state(folder, isTrained: isTrained, isSampled: solvers.allSatisfy { $0.done != nil })
  }

  private static func state(_ folder: ResultsFolder, isTrained: Bool, isSampled: Bool) -> State {
    if let lock = folder.text(".lock"), let process = lock.split(separator: "\n").first.flatMap({ pid_t($0) }),
      process > 0, kill(process, 0) == 0 || errno == EPERM
    {
      return !isTrained ? .training : isSampled ? .judging : .sampling
    }
    guard !folder.exists(".lock"), let data = FileManager.default.contents(atPath: folder.file("manifest.json")),
      let manifest = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { return .stopped }
    let failures = manifest["failures"] as? [String] ?? []
    return failures.isEmpty ? .finished : .failed(failures)
  }

  private static func age(of path: String) -> Double? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    let written = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) * 1e-9
    return max(0, Date().timeIntervalSince1970 - written)
  }

  /// Until the training's end, by the speed of its last rows.
  var secondsLeft: Double? {
    guard state == .training, let total, let last = rows.last else { return nil }
    let first = rows.suffix(20).first ?? last
    let each =
      first.step < last.step
      ? (last.seconds - first.seconds) / Double(last.step - first.step) : last.seconds / Double(max(1, last.step))
    return max(0, each * Double(total - last.step) - (secondsSinceRow ?? 0))
  }
}
