// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Datasets
import Glibc
import Models
import Networks
import Processes
import Scores
import Tensors

/// Trains a network's score on a data set.
///
/// A step's batch is cut into fixed shards, and these are dealt to a fixed number of lanes. A lane adds its shards'
/// gradients up in its own buffer, and the buffers are added in order: the result is the same to the last bit for any
/// number of threads, and of ranks (`Team.current`), which share the lanes.
public struct Trainer: Sendable {
  /// What is minimised.
  public let objective: any Objective
  /// How many steps are taken, and how.
  public let plan: TrainingPlan
  /// What all random numbers of the training are keyed by.
  public let seed: UInt64
  /// How many workers share a step; the result does not depend on it.
  public let threads: Int
  let data: any TrainingSource
  let conditions: Conditions
  private let initial: [Float]?

  /// What a finished step tells.
  public struct Step: Sendable {
    /// From 1.
    public let number: Int
    /// The mean loss of the batch.
    public let loss: Double
    /// The learning rate of the step, after warm-up and decay.
    public let learningRate: Double
    /// Before clipping.
    public let gradientNorm: Double
    /// Why the step changed nothing, where its loss or gradient was not finite and such steps are skipped.
    public var skipped: NonFinite?
  }

  /// - Parameters:
  ///   - objective: what is minimised.
  ///   - data: where rows are drawn from.
  ///   - conditions: one for every item of the data, for a network that is told conditions.
  ///   - plan: how.
  ///   - seed: of all random numbers.
  ///   - initial: parameters to begin with; nil: the network's own.
  ///   - threads: the result does not depend on it.
  public init(
    _ objective: any Objective, data: any TrainingSource, conditions: Conditions = .nothing, plan: TrainingPlan,
    seed: UInt64, initial: [Float]? = nil, threads: Int = Shards.processors
  ) {
    let shape = objective.network.conditionShape
    precondition(shape == .nothing || conditions.count == data.count, "a condition for every item")
    precondition(plan.conditionDropout == 0 || objective.network.knowsNothing, "a network that knows nothing")
    precondition(data.dimension == objective.dataDimension && data.count > 0, "data of another dimension")
    self.objective = objective
    self.plan = plan
    self.seed = seed
    self.threads = threads
    self.data = data
    self.initial = initial
    self.conditions = conditions
  }

  /// A state before the first step.
  public func initialState() -> TrainingState {
    TrainingState(initial: initial ?? objective.network.initialParameters(seed: seed))
  }

  /// Takes the steps that are left of the plan.
  /// - Parameters:
  ///   - state: where the training stands; it is carried on in place.
  ///   - onStep: called after each step, on rank 0 alone; returning false stops early, on all ranks.
  ///
  /// All ranks begin from the state of rank 0, and end with the same one.
  ///
  /// A step whose loss or gradient is not finite is an error, or is skipped where the plan says so: then it changes
  /// nothing but the number of steps.
  /// - Throws: `ComputationError.nonFinite`; the state is then that before the failing step.
  public func run(_ state: inout TrainingState, onStep: (Step) throws -> Bool = { _ in true }) throws {
    let ranks = Team.current
    let count = objective.network.layout.count
    let shards = Shards(rows: plan.batch, size: Self.shardSize(batch: plan.batch, objective.network.shardRows))
    let deal = LaneDeal(ranks, parameters: count, shards: shards.count, lanes: lanes)
    let frozen = FrozenValues(objective.frozen, trained: count)
    let pool = WorkerPool(
      workers: (0..<max(1, min(threads, deal.own.count))).map { _ in
        TrainingWorker(self, shardSize: shards.size, frozen)
      })
    state.synchronise(ranks)
    let parameters = deal.parameters
    parameters.pointer.update(from: state.parameters, count: count)
    defer { state.parameters = Array(UnsafeBufferPointer(start: parameters.pointer, count: count)) }
    // What only the rank has that steps it, all need at the end.
    func settle(_ state: inout TrainingState) throws {
      try state.withBuffers { first, second, averages in
        for values in [first, second, averages] { try deal.share(values.pointer, threads: threads) }
      }
    }
    var skippedInARow = 0
    while state.step < plan.steps {
      let step = state.step
      frozen.update(&state)
      deal.begin()
      try Shards(rows: deal.own.count, size: 1).forEach(threads: pool.workers.count) { index, _, worker in
        let lane = deal.own[index]
        for (place, (shard, loss)) in deal.work(of: lane).enumerated() {
          loss.pointer.pointee = pool.workers[worker].run(
            shards.range(shard), step: step, parameters: parameters.pointer,
            gradients: deal.gradient(of: lane).pointer, accumulate: place > 0)
        }
        deal.give(lane)
      }
      deal.finish()
      let loss = deal.loss
      let norm = try deal.norm(threads: threads)
      var skipped: NonFinite?
      if loss.isFinite && norm.isFinite {
        try update(&state, deal, norm: norm)
        skippedInARow = 0
      } else {
        let found = pool.workers[0].culprit(
          of: 0..<plan.batch, step: step, parameters: parameters.pointer, gradients: deal.sum.pointer)
        skippedInARow += 1
        guard plan.onNonFinite == .skip && skippedInARow < Self.skippedAtMost else {
          try settle(&state)
          throw ComputationError.nonFinite(found)
        }
        skipped = found
        state.step += 1
      }
      let done = Step(
        number: state.step, loss: loss, learningRate: plan.rate(at: step), gradientNorm: norm, skipped: skipped)
      // The others hear of an end even where it is an error.
      let goesOn = Result { ranks.isRoot ? try Team.with(OneRank.shared) { try onStep(done) } : true }
      let isGoing = try deal.shareParameters(goesOn: (try? goesOn.get()) ?? false, threads: threads)
      if isGoing && frozen.readsAverages(at: state.step) {
        try state.withBuffers { _, _, averages in try deal.share(averages.pointer, threads: threads) }
      }
      guard isGoing else {
        try settle(&state)
        _ = try goesOn.get()
        return
      }
    }
    try settle(&state)
  }

  /// How many lanes share a step, and so how many threads and ranks can be of use: as many as shards, at most 8.
  public var lanes: Int {
    let size = Self.shardSize(batch: plan.batch, objective.network.shardRows)
    return min(Shards(rows: plan.batch, size: size).count, Self.lanes)
  }

  /// How many steps may be skipped one after the other: more of them are no accident.
  static let skippedAtMost = 100

  /// How many gradient buffers there are at most, and so how many threads can be of use.
  public static let lanes = 8

  /// Half of the batch within the network's range: large products are the fastest, and a shard's activations are to
  /// stay near the processor.
  static func shardSize(batch: Int, _ range: ClosedRange<Int>) -> Int {
    min(range.upperBound, max(range.lowerBound, (batch + 1) / 2))
  }

  /// Clips the gradient and takes the optimiser's step, on the slice of this rank.
  private func update(_ state: inout TrainingState, _ deal: LaneDeal, norm: Double) throws {
    let step = state.step
    let own = deal.chunks(of: deal.ranks.rank)
    let power = Double(step + 1)
    let rate = plan.rate(at: step)
    let adam = ck_adam_step(
      gradient_scale: Float(plan.clip > 0 && norm > plan.clip ? plan.clip / norm : 1),
      rate: Float(rate / (1 - pow(plan.beta1, power))), beta1: Float(plan.beta1), beta2: Float(plan.beta2),
      epsilon: 1e-8, second_correction: Float(1 / (1 - pow(plan.beta2, power)).squareRoot()),
      decay: plan.optimiser == .adamw ? Float(rate * plan.weightDecay) : 0,
      average: Float(plan.average(at: step)))
    let (parameters, sum) = (deal.parameters, deal.sum)
    try state.withBuffers { first, second, averages in
      try Shards(rows: own.count, size: 1).forEach(threads: threads) { index, _ in
        let range = deal.chunks.range(own.lowerBound + index)
        let o = range.lowerBound
        withUnsafePointer(to: adam) {
          ck_adam(
            $0, parameters.pointer + o, sum.pointer + o, first.pointer + o, second.pointer + o,
            averages.pointer + o, range.count)
        }
      }
    }
    state.step += 1
  }

  private struct WorkerPool: @unchecked Sendable {
    let workers: [TrainingWorker]
  }
}
