// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments
import Solvers

/// What commands that read and write tables of points share.
struct PointArguments: ParsableArguments {
  @Argument(help: "The experiment's YAML file.")
  var config: String

  @Option(help: "A CSV or .npy file of points, a row each. (default: the data's held-out rows)")
  var input: String?

  @Option(name: .customLong("to"), help: "The CSV file to write.")
  var target: String?

  @Option(help: "How many rows to take, from the first. (default: all)")
  var count: Int?

  @Option(help: "The results folder. (default: Results/NAME) Without --to: the old name of --to.")
  var output: String?

  @Option(help: ArgumentHelp("The old name of --output.", visibility: .hidden))
  var results: String?

  @Option(name: .customLong("set"), help: "Overrides one key: --set likelihood.probes=32 (repeatable).")
  var overrides: [String] = []

  @Option(help: "Worker threads; results do not depend on it. (default: one per processor)")
  var threads: Int?

  @Flag(help: "No progress and no summary.")
  var quiet = false

  @Flag(help: "Makes warnings errors: nothing is done where there is one.")
  var strict = false

  func validate() throws {
    try ConfigArguments.check(threads: threads)
    if let count, count < 1 { throw ValidationError("--count takes 1 or more") }
    guard target != nil || output != nil else { throw ValidationError("Missing expected argument '--to <to>'") }
    if target != nil && output != nil && results != nil {
      throw ValidationError("--results is the old name of --output, which is there too")
    }
  }

  /// The file to write and the results folder, by their old names too.
  private var places: (file: String, folder: String?) {
    if let target { return (target, output ?? results) }
    return (output ?? "", results)
  }

  /// Runs a command's body on the experiment and its files, and prints what it returns.
  func run(_ body: (Experiment, PointFiles) throws -> String?) throws {
    try reportingErrors {
      if target == nil { report("score-sde: warning: --output is a folder; write --to for the file") }
      if results != nil {
        report("score-sde: warning: --results is an old name; write --output, with --to for the file")
      }
      let (file, folder) = places
      let experiment = Experiment(
        try ConfigArguments.plan(config, overrides, strict: strict), catalogue: CommandTool.catalogue, folder: folder,
        threads: threads, quiet: quiet)
      let summary = try body(experiment, PointFiles(input: input, output: file, count: count))
      if let summary, !quiet { print(summary) }
    }
  }
}

struct Score: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Evaluates the score at given points.")
  @OptionGroup var arguments: PointArguments

  @Option(name: .customLong("at"), help: "The time t.")
  var time: Double

  @Option(help: "score, noise (−σ s) or denoised (Tweedie's mean).")
  var quantity: PointQuantity = .score

  func run() throws {
    try arguments.run { experiment, files in
      try experiment.scorePoints(at: time, files, quantity: quantity)
      return nil
    }
  }
}

struct LogDensity: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "likelihood", abstract: "Log densities of given points through the probability-flow ODE.")
  @OptionGroup var arguments: PointArguments
  func run() throws { try arguments.run { try $0.logDensities(of: $1) } }
}

struct Encode: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Carries points along the probability flow to their codes at T.")
  @OptionGroup var arguments: PointArguments
  func run() throws { try arguments.run { try $0.encode($1) } }
}

struct Decode: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Carries codes back to points; --input must be given.")
  @OptionGroup var arguments: PointArguments

  func validate() throws {
    if arguments.input == nil { throw ValidationError("Missing expected argument '--input <input>'") }
  }

  func run() throws { try arguments.run { try $0.decode($1) } }
}

struct Interpolate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Points on the way between consecutive rows, through their codes.")
  @OptionGroup var arguments: PointArguments

  @Option(help: "Points for each pair of rows, both ends included.")
  var frames = 10

  @Option(name: .customLong("by"), help: "spherical or linear interpolation of the codes.")
  var interpolation: Interpolation = .spherical

  func run() throws { try arguments.run { try $0.interpolate($1, frames: frames, by: interpolation) } }
}

extension PointQuantity: ExpressibleByArgument {}
extension Interpolation: ExpressibleByArgument {}
