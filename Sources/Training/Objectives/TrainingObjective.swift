// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import ScoreNetworks

/// What a network is trained to minimise: a mean over data, times and noise.
protocol TrainingObjective: Sendable {
  /// The network with its conventions; its parameters are not used.
  var score: any LearnedScore { get }
  /// Whether the loss holds derivatives of the network by its input.
  var needsTangents: Bool { get }
  /// A worker for up to so many rows at a time, with memory of its own.
  func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker
}

protocol ObjectiveWorker: AnyObject {
  /// The part of the loss that some rows of a step's batch have, as a tensor of one value.
  func loss(of shard: TrainingShard, on tape: Tape) -> Tensor
}

/// Some rows of a step's batch.
struct TrainingShard {
  /// Within the batch.
  let rows: Range<Int>
  /// Data of the network's process, row after row.
  let data: UnsafeMutableBufferPointer<Float>
  /// The time of each row.
  let times: UnsafePointer<Double>
  let classes: Tensor?
  let step: Int
  /// How many rows the batch has.
  let batch: Int
}
