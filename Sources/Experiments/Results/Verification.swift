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

  /// - Throws: `InputError` for a folder that is none, or whose manifest has no list of files.
  public init(of folder: String) throws {
    _ = try ResultsFolder(existing: folder)
    guard let files = Manifest.files(of: folder) else {
      let path = folder + "/manifest.json"
      let isThere = FileManager.default.fileExists(atPath: path)
      throw InputError(
        isThere
          ? "has no list of files: it is damaged, or of an older program; `run` writes a new one"
          : "no such file; `run` writes it at its end", at: path)
    }
    var (intact, problems): (Int, [String]) = (0, [])
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
    let extra = Self.names(in: folder).filter { files[$0] == nil && $0 != "manifest.json" }
    self.intact = intact
    self.problems = problems + extra.map { "\($0): not written by this program" }
  }

  /// All that lies in a folder and is not hidden.
  private static func names(in folder: String) -> [String] {
    let manager = FileManager.default
    var names: [String] = []
    for name in ((try? manager.contentsOfDirectory(atPath: folder)) ?? []).sorted() where !name.hasPrefix(".") {
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
