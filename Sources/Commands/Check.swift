// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks a config's process on its data, and proposes sigma_max and epsilon.",
    discussion: """
      Do kernel and drift agree? Is the prior reached? Does the reverse SDE return to the data under the exact score, \
      and has the flow the data's density? Nothing is trained. The exit code is 1 where an answer is no.
      """)
  @OptionGroup var arguments: ConfigArguments
  @Option(help: "Rows to simulate.")
  var rows = 4096
  @Option(help: "Steps from 0 to T.")
  var steps = 1000
  @Option(help: "How much noise may be left at epsilon, in deviations of the data.")
  var tolerance = 0.01
  @Option(name: .customLong("to"), help: "A CSV file to write, a row for each check.")
  var target: String?

  func validate() throws {
    guard (100...1_000_000).contains(rows) else { throw ValidationError("--rows takes 100 to 1000000") }
    guard (10...1_000_000).contains(steps) else { throw ValidationError("--steps takes 10 to 1000000") }
    guard tolerance > 0, tolerance < 1 else { throw ValidationError("--tolerance takes numbers between 0 and 1") }
  }

  func run() throws {
    try reportingErrors {
      let table = try arguments.experiment().checkProcess(
        rows: rows, steps: steps, tolerance: tolerance, output: target)
      if !arguments.quiet { print(table) }
    }
  }
}
