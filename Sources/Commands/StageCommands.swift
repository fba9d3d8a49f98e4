// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Trains, samples and evaluates.")
  @OptionGroup var arguments: ConfigArguments
  @OptionGroup var ranks: RankArguments
  func run() throws { try arguments.run([.train, .sample, .evaluate], ranks) }
}

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Trains the network, unless it is there already.")
  @OptionGroup var arguments: ConfigArguments
  @OptionGroup var ranks: RankArguments
  func run() throws { try arguments.run([.train], ranks) }
}

struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Draws samples with every solver, from a trained network.")
  @OptionGroup var arguments: ConfigArguments
  @OptionGroup var ranks: RankArguments
  @Flag(help: "Takes a network whose training was stopped, as far as it is.")
  var unfinished = false
  func run() throws { try arguments.run([.sample], ranks, unfinished: unfinished) }
}

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Judges the samples that are there.")
  @OptionGroup var arguments: ConfigArguments
  @OptionGroup var ranks: RankArguments
  func run() throws { try arguments.run([.evaluate], ranks) }
}

extension ConfigArguments {
  fileprivate func run(_ stages: [Experiment.Stage], _ ranks: RankArguments, unfinished: Bool = false) throws {
    try RankLaunch.among(ranks, threads: threads ?? RankLaunch.threads) {
      try reportingErrors {
        let summary = try experiment().run(stages, unfinished: unfinished)
        if !quiet && Team.current.isRoot { print(summary) }
      }
    }
  }
}
