// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints experiments side by side, with intervals, and marks what differs beyond them.",
    discussion: """
      Figures come from solvers.csv and evaluation.csv of each folder; differences are from the first one. Keys of the \
      configs that differ, other data, seeds and counts are told, a line each.
      """)
  @Argument(help: "Folders of results, or names of such in Results; two or more.")
  var folders: [String] = []
  @Option(name: .customLong("metric"), help: "Only this metric (repeatable). (default: all)")
  var metrics: [String] = []
  @Option(name: .customLong("to"), help: "A CSV file to write as well.")
  var target: String?

  func validate() throws {
    guard folders.count > 1 else { throw ValidationError("compare takes two folders or more") }
  }

  func run() throws {
    try reportingErrors {
      let comparison = try ExperimentComparison(folders, metrics: metrics)
      if let target { try comparison.write(to: target) }
      print(comparison.text)
    }
  }
}
