// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Tensors

/// What a network is trained to minimise: a mean over data, times and noise.
package protocol TrainingObjective: Sendable {
  /// The network with its conventions; its parameters are not used.
  var score: any LearnedScore { get }
  /// Whether the loss holds derivatives of the network by its input.
  var needsTangents: Bool { get }
  /// A worker for up to so many rows at a time, with memory of its own.
  func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker
}

package protocol ObjectiveWorker: AnyObject {
  /// The part of the loss that some rows of a step's batch have, as a tensor of one value.
  func loss(of shard: TrainingShard, on tape: Tape) -> Tensor
}

/// Some rows of a step's batch.
package struct TrainingShard {
  /// Within the batch.
  package let rows: Range<Int>
  /// Data of the network's process, row after row.
  package let data: UnsafeMutableBufferPointer<Float>
  /// The time of each row.
  package let times: UnsafePointer<Double>
  package let classes: Tensor?
  package let step: Int
  /// How many rows the batch has.
  package let batch: Int

  package init(
    rows: Range<Int>, data: UnsafeMutableBufferPointer<Float>, times: UnsafePointer<Double>, classes: Tensor?,
    step: Int,
    batch: Int
  ) {
    (self.rows, self.data, self.times) = (rows, data, times)
    (self.classes, self.step, self.batch) = (classes, step, batch)
  }
}
