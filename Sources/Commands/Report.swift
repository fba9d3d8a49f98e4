// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments
import Foundation

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes one HTML page about all results: tables, plots and pictures.",
    discussion: """
      The page holds all that it shows and asks for nothing from elsewhere. Left open while runs go on it loads itself \
      again every five seconds; --watch keeps writing it until no run has gone on for half a minute.
      """)
  @Argument(help: "Results folders, or folders that have such at any depth. (default: Results)")
  var folders: [String] = []
  @Option(name: .customLong("to"), help: "The file to write. (default: report.html in the first folder)")
  var target: String?
  @Flag(help: "Writes the page again and again while runs go on.")
  var watch = false
  @Option(help: "With --watch: how many seconds lie between two pages.")
  var every = 3.0
  @Flag(help: "Prints nothing.")
  var quiet = false

  func validate() throws {
    guard (0.1...3600).contains(every) else { throw ValidationError("--every takes 0.1 to 3600 seconds") }
  }

  func run() throws {
    try reportingErrors {
      let report = Experiments.Report(folders, to: target)
      var summary = try report.write()
      if !quiet { print(text(report, summary)) }
      guard watch else { return }
      // A line of runs, as of `make all`, has gaps between them.
      let patience = Duration.seconds(30)
      var last = ContinuousClock.now
      while summary.running > 0 || ContinuousClock.now - last < patience {
        if summary.running > 0 { last = ContinuousClock.now }
        let next = ContinuousClock.now + .seconds(every)
        while ContinuousClock.now < next {
          try StopSignals.check()
          Thread.sleep(forTimeInterval: 0.1)
        }
        summary = try report.write()
      }
      if !quiet { print(text(report, summary)) }
    }
  }

  private func text(_ report: Experiments.Report, _ summary: Experiments.Report.Summary) -> String {
    var text = "\(report.target): \(summary.runs) run\(summary.runs == 1 ? "" : "s")"
    if summary.running > 0 {
      text += ", of which \(summary.running) \(summary.running == 1 ? "goes" : "go") on"
      if !watch { text += " (--watch keeps writing)" }
    }
    if summary.troubled > 0 { text += ", \(summary.troubled) with failures or damaged files" }
    text += ", \((summary.bytes + 1023) / 1024) KiB"
    return summary.leftOut.isEmpty ? text : "\(text)\n\(summary.leftOut)"
  }
}
