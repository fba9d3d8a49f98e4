// SPDX-License-Identifier: GPL-3.0-or-later
import Commands
import ScoreSDE

/// `my-score-sde spread CONFIG`: the standard deviation of every coordinate of the held-out data, and of samples of
/// each solver.
public struct Spread: ParsableCommand {
  public static let configuration = CommandConfiguration(
    abstract: "Prints the standard deviation of every coordinate, of the data and of each solver's samples.")

  @OptionGroup var arguments: ConfigArguments

  @Option(help: "Samples for each solver.")
  var count = 1000

  public init() {}

  public func validate() throws {
    guard (2...1_000_000).contains(count) else { throw ValidationError("--count takes 2 to 1000000") }
  }

  public func run() throws {
    try reportingErrors {
      let experiment = try arguments.experiment()
      let (plan, opened) = (experiment.plan, try experiment.open())
      print("data", text(opened.dataset.heldOut))
      let sampler = Sampler(
        process: plan.prepared, score: opened.score, dimension: plan.data.dimension, seed: plan.seed,
        epsilon: plan.sampling.epsilon, grid: plan.sampling.grid, threads: experiment.threads)
      for named in plan.sampling.solvers {
        print(named.name, text(try sampler.draw(count, with: named.solver, denoise: named.denoise).batch))
      }
    }
  }

  private func text(_ batch: Batch) -> String {
    (0..<batch.dimension).map { j in
      let values = (0..<batch.count).map { batch[$0, j] }
      let mean = values.reduce(0, +) / Double(values.count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
      return (variance.squareRoot() * 1000).rounded() / 1000
    }.map { "\($0)" }.joined(separator: " ")
  }
}
