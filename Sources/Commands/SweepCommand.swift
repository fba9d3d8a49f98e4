// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments

struct SweepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep",
    abstract: "Runs every combination of the values under a config's key 'sweep'.",
    discussion: """
      Each run has its folder DIR/runs/001, …, and all of them are rows of DIR/sweep.csv, which grows while the sweep \
      goes on. Runs that are done are not done again: the same command goes on where a sweep stopped.
      """)
  @Argument(help: "The sweep's YAML file.")
  var config: String

  @Option(help: "How many runs are done at a time. (default: one per processor, each with its share of threads)")
  var jobs: Int?

  @Option(help: "The folder of the sweep. (default: Results/NAME)")
  var output: String?

  @Flag(name: .customLong("dry-run"), help: "Checks and lists the runs; nothing is run.")
  var isDry = false

  @Flag(name: .customLong("collect"), help: "Runs nothing; gathers what is done.")
  var isCollecting = false

  @Option(name: .customLong("run"), help: "Does one run alone, from 1: what a task of an array job calls.")
  var number: Int?

  @Option(name: .customLong("set"), help: "Overrides one key of all runs: --set sampling.count=100 (repeatable).")
  var overrides: [String] = []

  @Option(help: "Worker threads of each run; results do not depend on it. (default: processors / jobs)")
  var threads: Int?

  @Flag(help: "No progress bar and no summary.")
  var quiet = false

  @Flag(help: "Makes warnings errors: nothing is done where there is one.")
  var strict = false

  func validate() throws {
    try ConfigArguments.check(threads: threads)
    if let jobs, !(1...1024).contains(jobs) { throw ValidationError("--jobs takes 1 to 1024") }
    let modes = [(isDry, "--dry-run"), (isCollecting, "--collect"), (number != nil, "--run")].filter(\.0).map(\.1)
    if modes.count > 1 { throw ValidationError("\(modes[0]) and \(modes[1]) exclude each other") }
    if number != nil && jobs != nil { throw ValidationError("--run does one run; --jobs has no effect beside it") }
  }

  func run() throws {
    try reportingErrors {
      let config = try SweepConfig(path: config, overrides: overrides, catalogue: CommandTool.catalogue)
      let summary = try number.map { try one($0, config) } ?? all(config)
      if !quiet || isDry { print(summary) }
    }
  }

  private func one(_ number: Int, _ config: SweepConfig) throws -> String {
    try Sweep.run(number, of: config, folder: output, threads: threads, quiet: quiet) { plan in
      try ConfigArguments.tell(try plan.foreseen(), notes: plan.notes, strict: strict)
    }
  }

  private func all(_ config: SweepConfig) throws -> String {
    let sweep = try Sweep(config, folder: output, jobs: jobs, threads: threads, quiet: quiet)
    let (warnings, notes) = try sweep.foreseen()
    try ConfigArguments.tell(warnings, notes: notes, strict: strict)
    if isDry { return sweep.listing() }
    // In a program of somebody else there is no command that a process could be started with.
    guard CommandTool.isProgram else { return try sweep.run(isCollecting: isCollecting) }
    return try sweep.run(isCollecting: isCollecting, by: SweepRunCommand.perform)
  }
}
