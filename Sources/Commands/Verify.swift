// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares a results folder with the hashes that its last run wrote.",
    discussion: """
      Files that are missing, changed or not of this program are named, a line each, and the exit code is 1. Names that \
      begin with a dot are not looked at.
      """)
  @Argument(help: "The results folder.")
  var folder: String

  func run() throws {
    try reportingErrors {
      let folder = self.folder.count > 1 && self.folder.hasSuffix("/") ? String(self.folder.dropLast()) : self.folder
      let found = try Verification(of: folder)
      guard found.problems.isEmpty else {
        throw ExperimentFailure(
          reasons: found.problems.map { "\(folder)/\($0)" },
          summary: "\(folder): \(found.intact) files are as they were written, \(found.problems.count) are not")
      }
      print("\(folder): OK: \(found.intact) files are as they were written")
    }
  }
}
