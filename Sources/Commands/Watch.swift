// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments
import Foundation

struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a run that another process makes: loss, last picture, solvers.",
    discussion: """
      Redraws until the run has ended, or until q or Ctrl-C. Of a sweep, or of a folder of results, it lists the runs. \
      Without a terminal, and with --once, it prints what there is now.
      """)
  @Argument(help: "The results folder.")
  var folder: String
  @Option(help: "Seconds between two drawings.")
  var interval = 2.0
  @Flag(help: "Prints what there is now, and ends.")
  var once = false

  func validate() throws {
    guard (0.1...3600).contains(interval) else { throw ValidationError("--interval takes 0.1 to 3600") }
  }

  func run() throws {
    try reportingErrors {
      var window = self.window
      var view = try WatchView(of: folder, in: window)
      if !once, view.isRunning, Terminal.isTerminal(STDOUT_FILENO) {
        let screen = LiveScreen()
        defer { screen.close() }
        while view.isRunning {
          screen.show(view.lines, in: window)
          guard try screen.wait(interval) else { return }
          window = self.window
          view = try WatchView(of: folder, in: window)
        }
      }
      print(view.lines.joined(separator: "\n"))
    }
  }

  /// The last row stays free for the shell's prompt; a stream that is no terminal has no end.
  private var window: Terminal {
    var window = Terminal.behind(STDOUT_FILENO)
    if !Terminal.isTerminal(STDOUT_FILENO) {
      window.rows = 40
    } else {
      window.rows = max(1, window.rows - 1)
    }
    return window
  }
}
