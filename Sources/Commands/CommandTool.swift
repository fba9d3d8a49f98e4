// SPDX-License-Identifier: GPL-3.0-or-later
@_exported import ArgumentParser
import Core
import Experiments
import Glibc
import Synchronization

/// The command line over any catalogue: a package that adds kinds or commands of its own has this as its whole main
/// file.
///
///     var catalogue = Catalogue.standard
///     catalogue.processes.add(Kind("mine", "my SDE") { options, _ in MySDE() })
///     CommandTool.main(catalogue, commands: [MyCommand.self])
///
/// A command is a `ParsableCommand`. It takes its config by an option group of type `ConfigArguments`, and runs its
/// body within `reportingErrors`.
public enum CommandTool {
  private struct State: Sendable {
    var catalogue = Catalogue.standard
    var commands: [any ParsableCommand.Type] = []
    var name = standardName
    var isProgram = false
  }

  private static let standardName = "score-sde"

  private static let state = Mutex(State())

  /// The catalogue that commands decode configs with.
  public static var catalogue: Catalogue { state.withLock { $0.catalogue } }

  /// What the program is called, in its help.
  static var name: String { state.withLock { $0.name } }

  /// Whether this process is the command line, and can be started once more.
  static var isProgram: Bool { state.withLock { $0.isProgram } }

  /// This program's file; nil where the system does not tell it.
  static var file: String? {
    realpath("/proc/self/exe", nil).map { path in
      defer { free(path) }
      return String(cString: path)
    }
  }

  /// The commands that a package added.
  static var commands: [any ParsableCommand.Type] { state.withLock { $0.commands } }

  /// Runs the command line of this process and exits with its code.
  /// - Parameters:
  ///   - catalogue: the kinds that configs may name.
  ///   - commands: further subcommands.
  ///   - name: what the program is called in its help; nil: as its file.
  public static func main(
    _ catalogue: Catalogue = .standard, commands: [any ParsableCommand.Type] = [], name: String? = nil
  ) {
    StandardStreams.prepare()
    StopSignals.watch()
    let file = CommandLine.arguments.first?.split(separator: "/").last.map(String.init)
    state.withLock {
      $0 = State(catalogue: catalogue, commands: commands, name: name ?? file ?? standardName, isProgram: true)
    }
    if let code = RankLaunch.refusal(CommandLine.arguments) { exit(code) }
    if RankLaunch.rank > 0 && RankLaunch.count > 1 {
      // Rank 0 prints the same words.
      do {
        var command = try ScoreSDECommand.parseAsRoot()
        try command.run()
      } catch {
        exit(ScoreSDECommand.exitCode(for: error).rawValue)
      }
      exit(0)
    }
    ScoreSDECommand.main()
    // What `print` wrote may still be on its way.
    do {
      try StandardStreams.finish()
    } catch {
      report("score-sde: \(error)")
      exit(1)
    }
  }

  /// Runs one command within this process.
  /// - Parameters:
  ///   - arguments: what would follow the program's name.
  ///   - catalogue: the kinds that configs may name.
  ///   - commands: further subcommands.
  ///   - name: what the program is called in its help.
  /// - Returns: the exit code.
  public static func run(
    _ arguments: [String], _ catalogue: Catalogue = .standard, commands: [any ParsableCommand.Type] = [],
    name: String = "score-sde"
  ) -> Int32 {
    state.withLock { $0 = State(catalogue: catalogue, commands: commands, name: name) }
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
  private static let own: [any ParsableCommand.Type] = [
    Run.self, Train.self, Sample.self, Evaluate.self, Generate.self, SweepCommand.self, SweepRunCommand.self,
    Score.self, LogDensity.self, Encode.self, Decode.self, Interpolate.self, Converge.self, Check.self, Compare.self,
    Export.self, DataCommand.self, Report.self, Tokens.self, Watch.self, Verify.self, Validate.self, List.self,
  ]

  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: CommandTool.name,
      abstract: "Runs experiments on score-based generative models defined by stochastic differential equations.",
      version: Experiments.version, subcommands: own + CommandTool.commands)
  }
}
