// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Tensors

/// What a network is trained to minimise: a mean over data, times and noise. A value with parameters only; each worker
/// makes an object with memory of it.
///
/// An objective of a package's own conforms to this: it puts a loss on a tape, and the trainer knows data, optimiser,
/// averages and reduction. Parameters that the loss only reads, as a teacher's, are sets of their own (`frozen`).
public protocol Objective: Sendable {
  /// The network that is trained.
  var network: any Network { get }
  /// How many values a row of the data has.
  var dataDimension: Int { get }
  /// The law of the times that rows are trained at.
  var times: TrainingTimes { get }
  /// Parameter sets that the loss reads and no gradient reaches; default: none.
  var frozen: [FrozenParameters] { get }
  /// Whether the loss holds derivatives of the network by its input; default: false.
  var needsTangents: Bool { get }
  /// What the objective found while it was trained that a reader of the results should know; default: nothing.
  var notes: [String] { get }

  /// A worker for up to `rows` rows at a time, with memory of its own.
  /// - Parameters:
  ///   - rows: how many rows it takes at a time at most.
  ///   - seed: of all its random numbers, which must be keyed by the shard's step and rows alone.
  func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker
}

extension Objective {
  public var frozen: [FrozenParameters] { [] }
  public var needsTangents: Bool { false }
  public var notes: [String] { [] }
}

/// A worker's side of an objective.
public protocol ObjectiveWorker: AnyObject {
  /// The part of the loss that some rows of a step's batch have, as a tensor of one value: a mean over the whole batch,
  /// so that the parts of all shards add up to the step's loss.
  func loss(of shard: TrainingShard, on tape: Tape) -> Tensor
}

/// A named parameter set that an objective reads, and that no gradient reaches.
public struct FrozenParameters: Sendable {
  /// Where its values come from.
  public enum Source: Sendable {
    /// They stay as they are, a flat buffer of the network's layout.
    case values([Float])
    /// The moving average of the parameters that are trained, as it is before the step.
    case average
    /// That average as it was before the last step whose number, from 0, is a multiple of `every` and at most `last`.
    case snapshot(every: Int, last: Int)
  }

  /// What the set is called, in messages.
  public let name: String
  /// The network whose parameters they are.
  public let network: any Network
  /// Where the values come from.
  public let source: Source

  /// A parameter set that is only read.
  /// - Precondition: given values are as many as the network's parameters.
  public init(_ name: String, _ network: any Network, _ source: Source) {
    if case .values(let values) = source {
      precondition(values.count == network.layout.count, "another network's values")
    }
    self.name = name
    self.network = network
    self.source = source
  }
}

/// Some rows of a step's batch.
public struct TrainingShard {
  /// Which rows of the batch.
  public let rows: Range<Int>
  /// The data, rows × data dimension.
  public let data: UnsafeMutableBufferPointer<Float>
  /// The time of each row.
  public let times: UnsafePointer<Double>
  /// What the network is told of each row, as `Network.forward` has it; nil for a network that is told nothing.
  public private(set) var condition: Tensor?
  /// The objective's frozen parameter sets, by name: `tape.with(set) { … }` evaluates a network under one.
  public let frozen: [String: ParameterSet]
  /// The optimiser's step, from 0.
  public let step: Int
  /// How many rows the batch has.
  public let batch: Int
  /// Which item of the data each row is.
  public let items: [Int]
  /// Writes the data of all rows of a step's batch, batch × data dimension, whichever rows the shard has.
  public let copyBatch: (_ step: Int, _ data: UnsafeMutablePointer<Float>) -> Void

  /// - Parameters:
  ///   - rows: which rows of the batch.
  ///   - data: rows × data dimension.
  ///   - times: a time for each row.
  ///   - condition: what the network is told; nil for one that is told nothing.
  ///   - frozen: the objective's frozen parameter sets, by name.
  ///   - step: the optimiser's step, from 0.
  ///   - batch: how many rows the batch has.
  ///   - items: which item of the data each row is; default: the one of its number.
  ///   - copyBatch: writes the data of all rows of a step's batch; default: those of the shard, which are all.
  public init(
    rows: Range<Int>, data: UnsafeMutableBufferPointer<Float>, times: UnsafePointer<Double>, condition: Tensor? = nil,
    frozen: [String: ParameterSet] = [:], step: Int, batch: Int, items: [Int]? = nil,
    copyBatch: ((_ step: Int, _ data: UnsafeMutablePointer<Float>) -> Void)? = nil
  ) {
    self.items = items ?? Array(rows)
    self.copyBatch =
      copyBatch ?? { _, out in
        precondition(rows.count == batch, "all rows of the batch")
        if let base = data.baseAddress { out.update(from: base, count: data.count) }
      }
    (self.rows, self.data, self.times) = (rows, data, times)
    (self.condition, self.frozen) = (condition, frozen)
    (self.step, self.batch) = (step, batch)
  }

  /// The same shard, whose network is told this.
  func told(_ condition: Tensor?) -> TrainingShard {
    var shard = self
    shard.condition = condition
    return shard
  }
}
