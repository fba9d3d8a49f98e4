// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

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
  @Flag(help: "Takes a network whose training was stopped, as far as it is.")
  var unfinished = false
  func run() throws { try arguments.run([.sample], unfinished: unfinished) }
}

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Judges the samples that are there.")
  @OptionGroup var arguments: ConfigArguments
  func run() throws { try arguments.run([.evaluate]) }
}

extension ConfigArguments {
  fileprivate func run(_ stages: [Experiment.Stage], unfinished: Bool = false) throws {
    try reportingErrors {
      let summary = try experiment().run(stages, unfinished: unfinished)
      if !quiet { print(summary) }
    }
  }
}
