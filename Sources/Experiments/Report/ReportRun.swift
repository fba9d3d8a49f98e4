// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// What a results folder holds, as far as it can be read: a run that goes on, was stopped or came to its end.
struct ReportRun: Sendable {
  enum State: String, Sendable { case running, stopped, failed, finished, unknown }

  /// The folder.
  let path: String
  /// Its name in the page.
  let name: String
  private(set) var state = State.unknown
  private(set) var facts: [(key: String, value: String)] = []
  private(set) var notes: [String] = []
  private(set) var failures: [String] = []
  /// Files that could not be read, or only in part.
  private(set) var problems: [String] = []
  private(set) var config: String?
  private(set) var solvers: ReportTable?
  private(set) var evaluation: ReportTable?
  private(set) var training: ReportTable?
  private(set) var lossByTime: ReportTable?
  private(set) var sweep: ReportTable?
  /// Files of pictures, in the order of solvers: names within the folder.
  private(set) var pictures: [String] = []

  /// The longest text of a config that the page holds.
  private static let longestConfig = 60_000

  /// Whether a folder holds results of a run or a sweep.
  static func isResults(_ folder: String) -> Bool {
    ["manifest.json", ".lock", "solvers.csv", "training.csv", "sweep.csv"].contains {
      FileManager.default.fileExists(atPath: "\(folder)/\($0)")
    }
  }

  init(_ path: String, name: String) {
    (self.path, self.name) = (path, name)
    solvers = table("solvers.csv")
    evaluation = table("evaluation.csv")
    training = table("training.csv")
    lossByTime = table("loss_by_time.csv")
    sweep = table("sweep.csv")
    readConfig()
    readManifest()
    readState()
    findPictures()
  }

  private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

  private mutating func table(_ name: String) -> ReportTable? {
    guard exists(name) else { return nil }
    do {
      let table = try ReportTable(reading: "\(path)/\(name)")
      problems += table.problems
      return table
    } catch {
      problems.append("\(error)")
      return nil
    }
  }

  private mutating func readConfig() {
    guard exists("config.yaml") else { return }
    guard let data = FileManager.default.contents(atPath: "\(path)/config.yaml"),
      let text = String(data: data, encoding: .utf8)
    else {
      problems.append("\(path)/config.yaml: is no UTF-8 text that can be read")
      return
    }
    config = text.count > Self.longestConfig ? text.prefix(Self.longestConfig) + "\n… (the file has more)" : text
  }

  private mutating func readManifest() {
    guard exists("manifest.json") else { return }
    guard let data = FileManager.default.contents(atPath: "\(path)/manifest.json"),
      let manifest = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else {
      problems.append("\(path)/manifest.json: is no JSON object")
      return
    }
    func text(_ value: Any?) -> String? {
      switch value {
      case let text as String: text
      case let number as NSNumber: isFlag(number) ? (number.boolValue ? "yes" : "no") : "\(number)"
      default: nil
      }
    }
    let names = [
      ("program", "program"), ("commit", "commit"), ("seed", "seed"), ("started", "started"), ("finished", "finished"),
      ("threads", "threads"), ("peak_memory_mib", "peak memory, MiB"), ("kernels", "kernels"),
      ("processor", "processor"), ("training_reused", "training reused"), ("config_hash", "config hash"),
      ("data_hash", "data hash"),
    ]
    for (key, label) in names { if let value = text(manifest[key]) { facts.append((label, value)) } }
    if let seconds = manifest["seconds"] as? [String: Any] {
      for stage in ["train", "sample", "evaluate"] {
        if let value = (seconds[stage] as? NSNumber)?.doubleValue {
          facts.append(("seconds to \(stage)", String(format: "%.4g", value)))
        }
      }
    }
    func lines(_ key: String) -> [String] { (manifest[key] as? [Any])?.compactMap(text) ?? [] }
    (notes, failures) = (lines("notes"), lines("failures"))
    state = failures.isEmpty ? .finished : .failed
  }

  private mutating func readState() {
    guard exists(".lock") else { return }
    do {
      try ResultsFolder.requireUnused(path)
      state = .stopped
    } catch {
      state = .running
    }
  }

  /// Pictures of samples first, in the order of solvers, then what else was drawn.
  private mutating func findPictures() {
    func pictures(in folder: String) -> [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".png") && !$0.hasPrefix(".") && !$0.hasSuffix("-animation.png") }.sorted()
    }
    let own = pictures(in: path)
    let samples = pictures(in: path + "/samples").map { "samples/\($0)" }
    let order = solvers?.texts("solver") ?? []
    let first = order.map { "samples/\($0).png" }.filter(samples.contains)
    // Of the pictures of a training the last one.
    let previews = pictures(in: path + "/previews").suffix(1).map { "previews/\($0)" }
    self.pictures = first + previews + own + samples.filter { !first.contains($0) }
  }

  func fact(_ key: String) -> String { facts.first { $0.key == key }?.value ?? "" }

  /// What the tables say that a run is about.
  func said(_ column: String) -> String {
    for table in [solvers, evaluation, sweep] {
      if let text = table?.texts(column)?.first(where: { !$0.isEmpty }) { return text }
    }
    return ""
  }
}

/// Whether a number of a JSON file is `true` or `false` there.
private func isFlag(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
