// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
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

  /// nil for a process without a kernel, whose scores have no such loss.
  func csv(of weights: [Float]) throws -> String? {
    guard let process = network.problem.linear else { return nil }
    let exact = network.problem.exactScore(of: law)
    let (seen, unseen) = try (
      losses(of: weights, process, exact, dataset.training, dataset.trainingConditions.listedClasses),
      losses(of: weights, process, exact, dataset.heldOut, dataset.heldOutConditions.listedClasses)
    )
    var table = CSVText(columns: ["time_low", "time_high", "training", "held_out"] + (exact == nil ? [] : ["excess"]))
    precondition(seen.bins.count == unseen.bins.count, "the same bins")
    for (seen, unseen) in zip(seen.bins, unseen.bins) {
      table.add([seen.low, seen.high, seen.loss, unseen.loss] + (unseen.excess.map { [$0] } ?? []))
    }
    return table.text
  }

  private func losses(
    of weights: [Float], _ process: any LinearSDE, _ exact: (any Score)?, _ data: Batch, _ labels: [Int]?
  ) throws -> LossByTime {
    let score = network.score(weights)
    // Fewer where a row is dear: image networks take few rows at a time.
    let draws = min(1024, 16 * score.shardRows)
    // A network that is conditioned on classes is told those of the rows that are drawn.
    let classes = labels.map { labels in
      RowClasses.each((0..<draws * 20).map { labels[LossByTime.dataRow($0 % draws, of: data.count)] })
    }
    return try LossByTime(
      of: score.with(parameters: nil, classes: classes), process: process, exact: exact,
      data: network.problem.coordinates(data), from: epsilon, seed: seed, bins: 20, draws: draws, threads: threads)
  }
}
