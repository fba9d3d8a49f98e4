// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments

/// A config, and where its results go: what almost every command begins with.
public struct ConfigArguments: ParsableArguments {
  @Argument(help: "The experiment's YAML file.")
  var config: String

  @Option(name: .customLong("set"), help: "Overrides one key: --set training.steps=100 (repeatable).")
  var overrides: [String] = []

  @Option(help: "The results folder. (default: Results/NAME)")
  var output: String?

  @Option(
    help:
      "Worker threads; results do not depend on it. (default: one per processor, of which ranks on one machine share)")
  var threads: Int?

  /// Whether neither progress nor a summary is printed.
  @Flag(help: "No progress and no summary.")
  public var quiet = false

  @Flag(help: "Makes warnings errors: nothing is done where there is one.")
  var strict = false

  public init() {}

  public func validate() throws { try Self.check(threads: threads) }

  static func check(threads: Int?) throws {
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads takes 1 to 1024") }
  }

  /// The config, decoded with the catalogue of the command line; its warnings go to standard error.
  public func plan() throws -> ExperimentPlan { try Self.plan(config, overrides, strict: strict) }

  /// The experiment of the config.
  public func experiment() throws -> Experiment {
    Experiment(
      try plan(), catalogue: CommandTool.catalogue, folder: output, threads: threads ?? RankLaunch.threads,
      quiet: quiet || !Team.current.isRoot)
  }

  /// - Throws: `WarningsAsErrors` where there are warnings and `strict` makes them errors.
  static func plan(_ config: String, _ overrides: [String], strict: Bool) throws -> ExperimentPlan {
    let plan = try ExperimentPlan(
      ConfigSource(path: config, overrides: overrides), catalogue: CommandTool.catalogue)
    for note in plan.notes { report("score-sde: note: \(note)") }
    try tell(try plan.foreseen(), strict: strict)
    return plan
  }

  /// Writes warnings to standard error.
  /// - Throws: `WarningsAsErrors` where there are some and `strict` makes them errors.
  static func tell(_ warnings: [String], notes: [String] = [], strict: Bool) throws {
    for note in notes { report("score-sde: note: \(note)") }
    if strict && !warnings.isEmpty { throw WarningsAsErrors(lines: warnings) }
    for warning in warnings { report("score-sde: warning: \(warning)") }
  }
}

/// Warnings that `--strict` makes errors, a line each.
struct WarningsAsErrors: Error {
  let lines: [String]
}
