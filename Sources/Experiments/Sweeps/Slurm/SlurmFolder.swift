// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The folder `slurm` in that of a sweep: the script, copies of configs, the list of jobs, and a log for each run. None
/// of it is a result, so the manifest does not list it.
struct SlurmFolder {
  /// The folder of the sweep.
  let path: String

  static let name = "slurm"

  private var folder: String { "\(path)/\(Self.name)" }
  private var list: String { "\(folder)/jobs.csv" }

  /// A job that was submitted.
  struct Job {
    let number: String
    let offset: Int
    /// What its tasks run: the mark in the name of its config.
    let mark: String
  }

  /// Those that `note` noted, in order.
  var jobs: [Job] {
    guard let data = FileManager.default.contents(atPath: list) else { return [] }
    let table = CSVTable(String(decoding: data, as: UTF8.self))
    return (0..<table.count).compactMap { index in
      guard let number = table["job", index], let offset = table["offset", index].flatMap({ Int($0) }),
        let mark = table["config", index]
      else { return nil }
      return Job(number: number, offset: offset, mark: mark)
    }
  }

  private static let columns = ["job", "offset", "runs", "config", "submitted"]

  func note(_ job: Job, _ block: SlurmBlock) throws {
    var text = CSVText(columns: Self.columns)
    if let data = FileManager.default.contents(atPath: list) {
      let known = CSVTable(String(decoding: data, as: UTF8.self))
      for index in 0..<known.count { text.add(Self.columns.map { known[$0, index] ?? "" }) }
    }
    text.add([
      job.number, String(job.offset), RunRanges(block.indices.map { $0 + block.offset }).array, job.mark,
      Manifest.now(),
    ])
    try AtomicFile.write(text.text, to: list)
  }

  /// Makes the folder, and writes the script and the config that it names.
  func write(_ script: SlurmScript, config text: String) throws {
    try ResultsFolder.make(folder, allowsLink: false)
    AtomicFile.removeLeftovers(in: folder)
    let config = "\(path)/\(script.config)"
    // Tasks that wait may read it at this moment, and its name has a hash of what is in it.
    if FileManager.default.contents(atPath: config) != Data(text.utf8) { try AtomicFile.write(text, to: config) }
    try AtomicFile.write(script.text, to: "\(path)/\(SlurmScript.file)")
    chmod("\(path)/\(SlurmScript.file)", 0o755)
  }

  /// The newest log of each run that has one: its name in the folder of the sweep.
  func logs() -> [Int: String] {
    var found: [Int: (name: String, time: Date)] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".log") {
      let numbers = name.dropLast(4).split(separator: "+", omittingEmptySubsequences: false).map { Int($0) }
      guard let offset = numbers.count == 2 ? numbers[0] : 0, let index = numbers.last ?? nil, numbers.count <= 2,
        let time = (try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)"))?[.modificationDate] as? Date
      else { continue }
      let (number, overflow) = offset.addingReportingOverflow(index)
      if !overflow, found[number].map({ $0.time < time }) ?? true { found[number] = ("\(Self.name)/\(name)", time) }
    }
    return found.mapValues(\.name)
  }

  /// The last line of a log that says something; nil where there is none.
  func lastLine(of log: String) -> String? {
    guard let file = FileHandle(forReadingAtPath: "\(path)/\(log)") else { return nil }
    defer { try? file.close() }
    guard let end = try? file.seekToEnd() else { return nil }
    try? file.seek(toOffset: end > 4096 ? end - 4096 : 0)
    guard let data = try? file.readToEnd() else { return nil }
    let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
    let prefix = "score-sde: "
    return lines.last { !$0.allSatisfy(\.isWhitespace) }.map {
      ($0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : String($0)).inOneLine
    }
  }
}
