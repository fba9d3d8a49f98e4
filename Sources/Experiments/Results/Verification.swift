// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// What became of a results folder since its last run, by the hashes of `manifest.json`. Files whose names begin with a
/// dot are nobody's results, and not looked at.
public struct Verification: Sendable, Equatable {
  /// How many files are as they were written.
  public let intact: Int
  /// A line for each file that is not.
  public let problems: [String]

  /// Of a sweep, the folders of the runs that it found done are compared as well.
  /// - Throws: `InputError` for a folder that is none, or whose manifest has no list of files.
  public init(of folder: String) throws {
    _ = try ResultsFolder(existing: folder)
    guard let manifest = Manifest.summary(of: folder) else {
      let path = folder + "/manifest.json"
      let isThere = FileManager.default.fileExists(atPath: path)
      throw InputError(
        isThere
          ? "has no list of files: it is damaged, or of an older program; `run` writes a new one"
          : "no such file; `run` writes it at its end", at: path)
    }
    var (intact, problems): (Int, [String]) = (0, [])
    let files = manifest.files
    for (name, hash) in files.sorted(by: { $0.key < $1.key }) {
      var status = stat()
      if lstat("\(folder)/\(name)", &status) != 0 {
        problems.append("\(name): missing")
      } else if status.st_mode & S_IFMT != S_IFREG {
        problems.append("\(name): changed: it is no file")
      } else if let now = SHA256.text(ofFile: "\(folder)/\(name)") {
        if now == hash { intact += 1 } else { problems.append("\(name): changed") }
      } else {
        problems.append("\(name): cannot be read")
      }
    }
    let extra = Self.names(in: folder, but: manifest.runs == nil ? [] : ["runs", SlurmFolder.name]).filter {
      files[$0] == nil && $0 != "manifest.json"
    }
    problems += extra.map { "\($0): not written by this program" }
    if let runs = manifest.runs {
      let found = Self.verified(runs, count: manifest.runCount ?? 0, in: folder)
      intact += found.intact
      problems += found.problems
    }
    (self.intact, self.problems) = (intact, problems)
  }

  /// The runs of a sweep.
  /// - Parameters:
  ///   - runs: those that were done, with the hashes of their configs.
  ///   - count: how many the sweep has; others may have begun.
  private static func verified(
    _ runs: [String: String], count: Int, in folder: String
  ) -> (intact: Int, problems: [String]) {
    var (intact, problems) = (0, [String]())
    for (name, hash) in runs.sorted(by: { $0.key < $1.key }) where isFileName(name) {
      let path = "\(folder)/runs/\(name)"
      do {
        let run = try Verification(of: path)
        intact += run.intact
        problems += run.problems.map { "runs/\(name)/\($0)" }
        if Manifest.summary(of: path)?.configHash != hash { problems.append("runs/\(name): of another config") }
      } catch {
        problems.append("runs/\(name): missing or damaged")
      }
    }
    for name in ((try? FileManager.default.contentsOfDirectory(atPath: folder + "/runs")) ?? []).sorted()
    where !name.hasPrefix(".") && runs[name] == nil {
      guard let number = Int(name), (1...max(1, count)).contains(number), SweepRun.name(number) == name else {
        problems.append("runs/\(name): none of this sweep's runs")
        continue
      }
    }
    return (intact, problems)
  }

  /// All that lies in a folder and is not hidden.
  /// - Parameter others: folders that are looked at elsewhere.
  private static func names(in folder: String, but others: [String]) -> [String] {
    let manager = FileManager.default
    var names: [String] = []
    for name in ((try? manager.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    where !name.hasPrefix(".") && !others.contains(name) {
      var status = stat()
      guard lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        names.append(name)
        continue
      }
      let inner = (try? manager.contentsOfDirectory(atPath: "\(folder)/\(name)")) ?? []
      names += inner.sorted().filter { !$0.hasPrefix(".") }.map { "\(name)/\($0)" }
    }
    return names
  }
}
