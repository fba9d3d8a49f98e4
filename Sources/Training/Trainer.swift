// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Datasets
import Glibc
import Models
import Networks
import Processes
import Scores
import Synchronization
import Tensors

/// Trains a network's score on a data set.
///
/// A step's batch is cut into fixed shards, and these are dealt to a fixed number of lanes. A lane adds its shards'
/// gradients up in its own buffer, and the buffers are added in order: the result is the same to the last bit for any
/// number of threads.
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
  ///   - onStep: called after each step; returning false stops early.
  ///
  /// A step whose loss or gradient is not finite is an error, or is skipped where the plan says so: then it changes
  /// nothing but the number of steps.
  /// - Throws: `ComputationError.nonFinite`; the state is then that before the failing step.
  public func run(_ state: inout TrainingState, onStep: (Step) throws -> Bool = { _ in true }) throws {
    let count = objective.network.layout.count
    let shards = Shards(rows: plan.batch, size: Self.shardSize(batch: plan.batch, objective.network.shardRows))
    let lanes = Shards(rows: min(shards.count, Self.lanes), size: 1)
    let frozen = FrozenValues(objective.frozen, trained: count)
    let workers = (0..<min(threads, lanes.count)).map { _ in TrainingWorker(self, shardSize: shards.size, frozen) }
    let gradients = UnsafeMutablePointer<Float>.allocate(capacity: count * lanes.count)
    let losses = UnsafeMutablePointer<Double>.allocate(capacity: shards.count)
    defer {
      gradients.deallocate()
      losses.deallocate()
    }
    let pool = WorkerPool(workers: workers, gradients: SharedMemory(gradients), losses: SharedMemory(losses))
    var skippedInARow = 0
    while state.step < plan.steps {
      let step = state.step
      frozen.update(&state)
      try state.parameters.withUnsafeMutableBufferPointer { parameters in
        let parameters = SharedMemory(parameters.baseAddress!)
        try lanes.forEach(threads: workers.count) { lane, _, worker in
          for shard in stride(from: lane, to: shards.count, by: lanes.count) {
            pool.losses.pointer[shard] = pool.workers[worker].run(
              shards.range(shard), step: step, parameters: parameters.pointer,
              gradients: pool.gradients.pointer + lane * count, accumulate: shard > lane)
          }
        }
      }
      var loss = 0.0
      for shard in 0..<shards.count { loss += losses[shard] }
      let norm = try gradientNorm(pool.gradients, buffers: lanes.count, count: count)
      var skipped: NonFinite?
      if loss.isFinite && norm.isFinite {
        try update(&state, pool.gradients, norm: norm)
        skippedInARow = 0
      } else {
        let found = state.parameters.withUnsafeBufferPointer {
          workers[0].culprit(of: 0..<plan.batch, step: step, parameters: $0.baseAddress!, gradients: gradients)
        }
        skippedInARow += 1
        guard plan.onNonFinite == .skip && skippedInARow < Self.skippedAtMost else {
          throw ComputationError.nonFinite(found)
        }
        skipped = found
        state.step += 1
      }
      let goOn = try onStep(
        Step(
          number: state.step, loss: loss, learningRate: plan.rate(at: step), gradientNorm: norm, skipped: skipped))
      if !goOn { return }
    }
  }

  /// How many steps may be skipped one after the other: more of them are no accident.
  static let skippedAtMost = 100

  /// How many gradient buffers there are at most, and so how many threads can be of use.
  static let lanes = 8

  /// Half of the batch within the network's range: large products are the fastest, and a shard's activations are to
  /// stay near the processor.
  static func shardSize(batch: Int, _ range: ClosedRange<Int>) -> Int {
    min(range.upperBound, max(range.lowerBound, (batch + 1) / 2))
  }

  /// Adds the lanes' gradients up in the first buffer, and returns the norm of their sum.
  private func gradientNorm(_ gradients: SharedMemory<Float>, buffers: Int, count: Int) throws -> Double {
    let chunks = Shards(rows: count, size: 1 << 16)
    let squares = Mutex([Double](repeating: 0, count: chunks.count))
    try chunks.forEach(threads: threads) { chunk, range in
      let sum = ck_reduce(
        gradients.pointer + range.lowerBound, gradients.pointer + range.lowerBound, buffers, count, range.count)
      squares.withLock { $0[chunk] = sum }
    }
    return squares.withLock { $0.reduce(0, +) }.squareRoot()
  }

  /// Clips the gradient and takes the optimiser's step.
  private func update(_ state: inout TrainingState, _ gradients: SharedMemory<Float>, norm: Double) throws {
    let step = state.step
    let chunks = Shards(rows: state.parameters.count, size: 1 << 16)
    let power = Double(step + 1)
    let rate = plan.rate(at: step)
    let adam = ck_adam_step(
      gradient_scale: Float(plan.clip > 0 && norm > plan.clip ? plan.clip / norm : 1),
      rate: Float(rate / (1 - pow(plan.beta1, power))), beta1: Float(plan.beta1), beta2: Float(plan.beta2),
      epsilon: 1e-8, second_correction: Float(1 / (1 - pow(plan.beta2, power)).squareRoot()),
      decay: plan.optimiser == .adamw ? Float(rate * plan.weightDecay) : 0,
      average: Float(plan.average(at: step)))
    try state.withBuffers { parameters, first, second, averages in
      try chunks.forEach(threads: threads) { _, range in
        let o = range.lowerBound
        withUnsafePointer(to: adam) {
          ck_adam(
            $0, parameters.pointer + o, gradients.pointer + o, first.pointer + o, second.pointer + o,
            averages.pointer + o, range.count)
        }
      }
    }
    state.step += 1
  }

  /// Workers and the buffers they fill, each its own part.
  private struct WorkerPool: @unchecked Sendable {
    let workers: [TrainingWorker]
    let gradients: SharedMemory<Float>
    let losses: SharedMemory<Double>
  }
}

extension TrainingState {
  /// The four buffers at once, for workers that each take a part.
  fileprivate mutating func withBuffers(
    _ body: (SharedMemory<Float>, SharedMemory<Float>, SharedMemory<Float>, SharedMemory<Float>) throws -> Void
  ) rethrows {
    try parameters.withUnsafeMutableBufferPointer { p in
      try firstMoments.withUnsafeMutableBufferPointer { m in
        try secondMoments.withUnsafeMutableBufferPointer { v in
          try averages.withUnsafeMutableBufferPointer { a in
            try body(
              SharedMemory(p.baseAddress!), SharedMemory(m.baseAddress!), SharedMemory(v.baseAddress!),
              SharedMemory(a.baseAddress!))
          }
        }
      }
    }
  }
}
