// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Saves a trained U-Net (its averaged weights) as a folder that diffusers loads.")
  @OptionGroup var arguments: ConfigArguments
  @Option(name: .customLong("to"), help: "The folder to write.")
  var target: String

  func run() throws {
    try reportingErrors {
      for lost in try arguments.experiment().exportNetwork(to: target) {
        report("score-sde: warning: \(arguments.config): \(lost)")
      }
      if !arguments.quiet { print(target) }
    }
  }
}

struct Validate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Checks a config and says nothing if it is right.")
  @Argument(help: "The experiment's YAML file.")
  var config: String
  @Option(name: .customLong("set"), help: "Overrides one key (repeatable).")
  var overrides: [String] = []
  @Flag(help: "Makes warnings errors.")
  var strict = false
  @Flag(help: "Prints the config with every default written out; of a sweep, that of every run.")
  var resolved = false

  func run() throws {
    try reportingErrors {
      if try ConfigSource(path: config, overrides: overrides).isSweep { return try validateSweep() }
      let plan = try ConfigArguments.plan(config, overrides, strict: strict)
      if resolved { print(plan.resolved, terminator: "") }
    }
  }

  private func validateSweep() throws {
    let config = try SweepConfig(path: config, overrides: overrides, catalogue: CommandTool.catalogue)
    let sweep = try Sweep(config)
    let (warnings, notes) = try sweep.foreseen(all: true)
    try ConfigArguments.tell(warnings, notes: notes, strict: strict)
    guard resolved else { return }
    let plan = try config.plan()
    for run in sweep.runs {
      print("--- # run \(run.name): \(run.settings)\n\(try plan.run(run.number).plan.resolved)", terminator: "")
    }
  }
}

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints every kind in a line, or the options of those that are named.",
    discussion: """
      A name is that of a kind (vp, ddim), of a family of kinds (solvers, process), of a section of a config (training), \
      or of an option (beta_max).
      """)
  @Argument(help: "What to print with all options and defaults. (default: every kind in a line)")
  var names: [String] = []
  @Flag(help: "Prints every kind and every section with its options.")
  var all = false
  @Flag(help: "As tables for the docs.")
  var markdown = false

  func validate() throws {
    if (all || markdown) && !names.isEmpty || all && markdown {
      throw ValidationError("names, --all and --markdown exclude each other")
    }
  }

  func run() throws {
    try reportingErrors {
      let listing = Listing(CommandTool.catalogue)
      if markdown || all { return print(markdown ? listing.markdown() : listing.text()) }
      print(names.isEmpty ? listing.overview() : try names.map { try listing.text(of: $0) }.joined(separator: "\n\n"))
    }
  }
}
