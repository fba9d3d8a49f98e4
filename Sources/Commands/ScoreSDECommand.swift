// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments
import Synchronization

/// The command line over any catalogue: a package that adds kinds of its own has this as its whole main file.
///
///     var catalogue = Catalogue.standard
///     catalogue.processes.add(Kind("mine", "my SDE") { options, _ in MySDE() })
///     CommandTool.main(catalogue)
public enum CommandTool {
  private static let current = Mutex(Catalogue.standard)

  /// The catalogue that commands decode configs with.
  static var catalogue: Catalogue { current.withLock { $0 } }

  /// Runs the command line of this process and exits with its code.
  public static func main(_ catalogue: Catalogue = .standard) {
    StopSignals.watch()
    current.withLock { $0 = catalogue }
    ScoreSDECommand.main()
  }

  /// Runs one command within this process.
  /// - Parameter arguments: what would follow the program's name.
  /// - Returns: the exit code.
  public static func run(_ arguments: [String], _ catalogue: Catalogue = .standard) -> Int32 {
    current.withLock { $0 = catalogue }
    do {
      var command = try ScoreSDECommand.parseAsRoot(arguments)
      try command.run()
      return 0
    } catch {
      let (message, code) = (ScoreSDECommand.fullMessage(for: error), ScoreSDECommand.exitCode(for: error).rawValue)
      if !message.isEmpty { code == 0 ? print(message) : report(message) }
      return code
    }
  }
}

struct ScoreSDECommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score-sde",
    abstract: "Runs experiments on score-based generative models defined by stochastic differential equations.",
    version: Experiments.version,
    subcommands: [
      Run.self, Train.self, Sample.self, Evaluate.self, Score.self, LogDensity.self, Encode.self, Decode.self,
      Interpolate.self, Converge.self, Check.self, Export.self, Validate.self, List.self,
    ])
}

/// A config and where its results go.
struct ConfigArguments: ParsableArguments {
  @Argument(help: "The experiment's YAML file.")
  var config: String

  @Option(name: .customLong("set"), help: "Overrides one key: --set training.steps=100 (repeatable).")
  var overrides: [String] = []

  @Option(help: "The results folder. (default: Results/NAME)")
  var output: String?

  @Option(help: "Worker threads; results do not depend on it. (default: one per processor)")
  var threads: Int?

  @Flag(help: "No progress bars and no summary.")
  var quiet = false

  func validate() throws {
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads takes 1 to 1024") }
  }

  func plan() throws -> ExperimentPlan {
    try ExperimentPlan(ConfigSource(path: config, overrides: overrides), catalogue: CommandTool.catalogue)
  }

  func experiment() throws -> Experiment {
    Experiment(try plan(), catalogue: CommandTool.catalogue, folder: output, threads: threads, quiet: quiet)
  }

  func run(_ stages: [Experiment.Stage]) throws {
    try reportingErrors {
      let summary = try experiment().run(stages)
      if !quiet { print(summary) }
    }
  }
}

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Trains, samples and evaluates.")
  @OptionGroup var arguments: ConfigArguments
  func run() throws { try arguments.run([.train, .sample, .evaluate]) }
}

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Trains the network, unless it is there already.")
  @OptionGroup var arguments: ConfigArguments
  func run() throws { try arguments.run([.train]) }
}

struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Draws samples with every solver, from a trained network.")
  @OptionGroup var arguments: ConfigArguments
  func run() throws { try arguments.run([.sample]) }
}

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Judges the samples that are there.")
  @OptionGroup var arguments: ConfigArguments
  func run() throws { try arguments.run([.evaluate]) }
}

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Saves a trained U-Net (its averaged weights) as a folder that diffusers loads.")
  @OptionGroup var arguments: ConfigArguments
  @Option(name: .customLong("to"), help: "The folder to write.")
  var target: String

  func run() throws {
    try reportingErrors {
      try arguments.experiment().exportNetwork(to: target)
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
  @Flag(help: "Prints the config with every default written out.")
  var resolved = false

  func run() throws {
    try reportingErrors {
      let plan = try ExperimentPlan(ConfigSource(path: config, overrides: overrides), catalogue: CommandTool.catalogue)
      if resolved { print(plan.resolved, terminator: "") }
    }
  }
}

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Prints every kind with its options and defaults.")
  @Flag(help: "As tables for the docs.")
  var markdown = false

  func run() throws {
    let listing = Listing(CommandTool.catalogue)
    print(markdown ? listing.markdown() : listing.text())
  }
}
