// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// `loss_by_time.csv`: how good a network's score is at each time, on the data it has seen and on those it has not.
struct LossTable {
  let network: LearnedNetwork
  let dataset: Dataset
  /// The data's law, where it is known.
  let law: DataLaw?
  /// The smallest time trained on.
  let epsilon: Double
  let seed: UInt64
  let threads: Int

  /// nil for a process without a kernel, whose scores have no such loss, and for a network that is no score.
  func csv(of weights: [Float]) throws -> String? {
    guard network.initial.map?.isScore ?? true else { return nil }
    guard let kernel = network.problem.process.kernel, network.problem.objective.traits.isEmpty else { return nil }
    let isExact = network.problem.exactScore(of: law, given: .nothing) != nil
    let (seen, unseen) = try (
      losses(of: weights, kernel, dataset.trainingRows, dataset.trainingConditions),
      losses(of: weights, kernel, dataset.heldOutRows, dataset.heldOutConditions)
    )
    let columns = ["time_low", "time_high", "training", "held_out"]
    var table = CSVText(columns: columns + (isExact ? ["excess", "excess_low", "excess_high"] : []))
    precondition(seen.bins.count == unseen.bins.count, "the same bins")
    for (seen, unseen) in zip(seen.bins, unseen.bins) {
      var numbers = [seen.low, seen.high, seen.loss, unseen.loss]
      if let excess = unseen.excess, let error = unseen.excessError {
        numbers += [excess, max(0, excess - normalQuantile * error), excess + normalQuantile * error]
      }
      table.add(numbers)
    }
    return table.text
  }

  private func losses(
    of weights: [Float], _ kernel: any PerturbationKernel, _ data: any DataRows, _ known: Conditions
  ) throws -> LossByTime {
    let model = network.model(weights)
    // Fewer where a row is dear: image networks take few rows at a time.
    let draws = min(1024, 16 * model.network.shardRows.upperBound)
    // A network that is told conditions is told those of the rows that are drawn.
    let conditions =
      model.network.conditionShape == .nothing
      ? .nothing : known.only((0..<draws * 20).map { LossByTime.dataRow($0 % draws, of: data.count) })
    return try LossByTime(
      of: model.score(given: conditions), kernel: kernel,
      duration: model.duration, exact: network.problem.exactScore(of: law, given: conditions),
      data: network.problem.encoded(data), from: epsilon, seed: seed, bins: 20, draws: draws, threads: threads)
  }
}
