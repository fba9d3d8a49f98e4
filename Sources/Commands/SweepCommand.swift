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
      goes on. Runs that are done are not done again: the same command goes on where a sweep stopped. With --slurm \
      each run is a task of an array job; the same command submits again what is neither done nor in the queue, and \
      --collect gathers the table.
      """)
  @Argument(help: "The sweep's YAML file.")
  var config: String

  @Option(help: "How many runs are done at a time. (default: one per processor, each with its share of threads)")
  var jobs: Int?

  @Option(help: "The folder of the sweep. (default: Results/NAME)")
  var output: String?

  @Flag(name: .customLong("dry-run"), help: "Checks and lists the runs; with --slurm, the script. Nothing is written.")
  var isDry = false

  @Flag(name: .customLong("list"), help: "Prints the numbers of all runs, one a line, and does nothing else.")
  var isListing = false

  @Flag(name: .customLong("collect"), help: "Runs nothing; gathers what is done, and tells what is not.")
  var isCollecting = false

  @Option(name: .customLong("run"), help: "Does one run alone, from 1: what a task of an array job calls.")
  var number: Int?

  @Option(name: .customLong("wait"), help: "With --run: for how many seconds to wait where another process does it.")
  var patience: Int?

  @OptionGroup var slurm: SlurmArguments

  @Option(help: "The folder where relative paths of the config begin. (default: the config's)")
  var paths: String?

  @Option(name: .customLong("set"), help: "Overrides one key of all runs: --set sampling.count=100 (repeatable).")
  var overrides: [String] = []

  @Option(help: "Worker threads of each run; results do not depend on it. (default: processors / jobs; with --slurm 1)")
  var threads: Int?

  @Flag(help: "No progress bar and no summary.")
  var quiet = false

  @Flag(help: "Makes warnings errors: nothing is done where there is one.")
  var strict = false

  func validate() throws {
    try ConfigArguments.check(threads: threads)
    if let jobs, !(1...1024).contains(jobs) { throw ValidationError("--jobs takes 1 to 1024") }
    if let patience, !(0...86_400).contains(patience) { throw ValidationError("--wait takes 0 to 86400 seconds") }
    let isOne = number != nil
    let modes = [
      (isDry && !slurm.isAsked, "--dry-run"), (isListing, "--list"), (isCollecting, "--collect"), (isOne, "--run"),
      (slurm.isAsked, "--slurm"),
    ].filter(\.0).map(\.1)
    if modes.count > 1 { throw ValidationError("\(modes[0]) and \(modes[1]) exclude each other") }
    if isOne && jobs != nil { throw ValidationError("--run does one run; --jobs has no effect beside it") }
    if !isOne && patience != nil { throw ValidationError("--wait has no effect without --run") }
    if isDry && slurm.isWriting { throw ValidationError("--dry-run and --write-only exclude each other") }
  }

  func run() throws {
    try reportingErrors {
      let config = try SweepConfig(
        path: config, overrides: overrides, catalogue: CommandTool.catalogue, folder: paths)
      if isListing { return print(try Sweep.numbers(of: config)) }
      let summary = try number.map { try one($0, config) } ?? all(config)
      if !quiet || isDry { print(summary) }
    }
  }

  private func one(_ number: Int, _ config: SweepConfig) throws -> String {
    try Sweep.run(number, of: config, folder: output, threads: threads, patience: patience ?? 0, quiet: quiet) { plan in
      try ConfigArguments.tell(try plan.foreseen(), notes: plan.notes, strict: strict)
    }
  }

  private func all(_ config: SweepConfig) throws -> String {
    let options = try slurm.isAsked ? slurm.options(threads: threads, limit: jobs) : nil
    let sweep = try Sweep(config, folder: output, jobs: jobs, threads: threads, quiet: quiet)
    let (warnings, notes) = try sweep.foreseen()
    try ConfigArguments.tell(warnings, notes: notes, strict: strict)
    if let options { return try submit(sweep, options) }
    if isDry { return sweep.listing() }
    // In a program of somebody else there is no command that a process could be started with.
    guard CommandTool.isProgram else { return try sweep.run(isCollecting: isCollecting) }
    return try sweep.run(isCollecting: isCollecting, by: SweepRunCommand.perform)
  }

  private func submit(_ sweep: Sweep, _ options: SlurmOptions) throws -> String {
    guard CommandTool.isProgram, let program = CommandTool.file else {
      throw InputError("this process is not the program that tasks could call", at: "--slurm")
    }
    let text = try sweep.submit(
      options, isDry ? .show : slurm.isWriting ? .write : .submit, program: program, strict: strict)
    return isDry ? text : "\(text)\ncollect: \(collecting(sweep))"
  }

  /// The command that makes the table.
  private func collecting(_ sweep: Sweep) -> String {
    let sets = overrides.flatMap { ["--set", $0] } + (paths.map { ["--paths", $0] } ?? [])
    let words = [CommandTool.name, "sweep", config, "--collect", "--output", sweep.folder] + sets
    return words.map(\.asShellWord).joined(separator: " ")
  }
}
