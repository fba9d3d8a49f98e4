// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import CRanks
import Core
import Experiments
import Foundation
import Glibc
import Synchronization

/// How a program finds that mpirun, or another starter of MPI programs, has started it as one of several ranks.
enum RankLaunch {
  /// Those commands that ranks can share.
  static let commands = ["run", "train", "sample", "evaluate"]

  private static let starter = RankStarter(
    ProcessInfo.processInfo.environment, processors: Shards.processors, usable: usable)

  /// How many processors this process may run on.
  private static var usable: Int {
    let count = Int(cr_usable_processors())
    return count > 0 ? count : Shards.processors
  }

  /// How many ranks were started, and this one's number among them.
  static var count: Int { starter.count }
  static var rank: Int { starter.rank }

  /// The threads of a rank where nobody says.
  static var threads: Int { starter.threads }

  /// To be called before anything is printed: other ranks than 0 would print the same. Refuses what ranks cannot share.
  /// - Returns: the exit code of a program that has no more to do.
  static func refusal(_ arguments: [String]) -> Int32? {
    guard count > 1 else { return nil }
    if rank > 0 { StandardStreams.beSilent() }
    let command = arguments.dropFirst().first ?? ""
    func refuse(_ text: String) -> Int32 {
      report("score-sde: \(text.inOneLine)")
      return 2
    }
    // Words about the program are no computation.
    if command.isEmpty || arguments.contains(where: { ["--help", "-h", "--version", "help"].contains($0) }) {
      return rank > 0 ? 0 : nil
    }
    guard cr_built() == 1 else {
      return refuse(
        "mpirun has started \(count) processes, and this program is built without MPI: all would do the same; "
          + "`make MPI=1 build` makes one whose processes share the work")
    }
    guard commands.contains(command) else {
      return refuse(
        "'\(command)' cannot be shared by ranks; allowed under mpirun: \(commands.joined(separator: ", "))")
    }
    guard count <= Experiment.mostRanks else {
      return refuse(
        "\(count) ranks; allowed: at most \(Experiment.mostRanks), the number of lanes that a training step has")
    }
    return nil
  }

  private static let isBegun = Atomic<Bool>(false)

  /// Runs a command's body as one of the ranks that were started; elsewhere it is merely run.
  /// - Parameters:
  ///   - arguments: of the command line.
  ///   - threads: those of this rank.
  /// - Throws: what the body throws. Other ranks than 0 end within this call.
  static func among(_ arguments: RankArguments, threads: Int, _ body: () throws -> Void) throws {
    guard CommandTool.isProgram, count > 1, !isBegun.exchange(true, ordering: .relaxed) else { return try body() }
    if rank > 0 {
      AtomicFile.leaveToOthers()
      StopSignals.leave { cr_tell_signal($0) }
    }
    var ranks: MPIRanks?
    try reportingErrors { ranks = try MPIRanks(arguments, threads: threads) }
    guard let ranks else { return }
    do {
      try Team.with(ranks) {
        if threads > usable {
          report(
            "score-sde: note: rank \(rank) has \(threads) threads and may run on \(usable) of the machine's processors; "
              + "`mpirun --bind-to none` gives it all")
        }
        try reportingErrors {
          try requireStarter(ranks)
          try requireSameProgram(ranks)
        }
        try body()
      }
      cr_finish(0, "")
    } catch {
      let last = StandardStreams.lastReport
      let line = last.hasPrefix("score-sde: ") ? String(last.dropFirst("score-sde: ".count)) : last
      cr_finish((error as? ExitCode)?.rawValue ?? 1, line.inOneLine)
      throw error
    }
  }

  /// A starter of another MPI than the program's makes programs of one rank each, which would all do the same.
  private static func requireStarter(_ ranks: any Ranks) throws {
    guard (ranks.rank, ranks.count) == (rank, count) else {
      throw InputError(
        "started as rank \(rank) of \(count), and for the program's MPI it is rank \(ranks.rank) of \(ranks.count); allowed: "
          + "the starter of that MPI", at: "mpirun")
    }
  }

  /// Ranks of another program, or on processors with other instructions, would not come to the same bytes.
  private static func requireSameProgram(_ ranks: any Ranks) throws {
    let own = Experiment.programStamp
    let theirs = ranks.decided { own }
    guard theirs == own else {
      throw InputError("\(own); rank 0 is \(theirs); allowed: the same program on equal processors", at: "mpirun")
    }
  }
}

/// What ranks can be told on the command line.
struct RankArguments: ParsableArguments {
  @Option(
    name: .customLong("rank-timeout"),
    help: "Under mpirun: seconds of silence after which a rank is lost, and all end.")
  var timeout = 6.0

  @Option(
    name: .customLong("rank-stall"),
    help: "Under mpirun: seconds in which a rank that others wait for gets no further, after which all end.")
  var stall = 600.0

  func validate() throws {
    for (name, seconds) in [("timeout", timeout), ("stall", stall)] {
      guard seconds >= 2, seconds <= 1e6 else { throw ValidationError("--rank-\(name) takes 2 to 1000000 seconds") }
    }
  }
}
