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
  public let objective: any Objective
  public let plan: TrainingPlan
  public let seed: UInt64
  public let threads: Int
  private let data: any TrainingSource
  private let conditions: Conditions

  /// What a finished step tells.
  public struct Step: Sendable {
    /// From 1.
    public let number: Int
    public let loss: Double
    public let learningRate: Double
    /// Before clipping.
    public let gradientNorm: Double
  }

  /// - Parameters:
  ///   - objective: what is minimised.
  ///   - data: where rows are drawn from.
  ///   - conditions: one for every item of the data, for a network that is told conditions.
  ///   - plan: how.
  ///   - seed: of all random numbers.
  ///   - threads: the result does not depend on it.
  public init(
    _ objective: any Objective, data: any TrainingSource, conditions: Conditions = .nothing, plan: TrainingPlan,
    seed: UInt64, threads: Int = Shards.processors
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
    self.conditions = conditions
  }

  /// A state before the first step.
  public func initialState() -> TrainingState {
    TrainingState(initial: objective.network.initialParameters(seed: seed))
  }

  /// Takes the steps that are left of the plan.
  /// - Parameter onStep: called after each step; returning false stops early.
  /// - Throws: `ComputationError.nonFiniteLoss`; the state is then that before the failing step.
  public func run(_ state: inout TrainingState, onStep: (Step) throws -> Bool = { _ in true }) throws {
    let count = objective.network.layout.count
    let shards = Shards(rows: plan.batch, size: Self.shardSize(batch: plan.batch, objective.network.shardRows))
    let lanes = Shards(rows: min(shards.count, Self.lanes), size: 1)
    let frozen = FrozenValues(objective.frozen, trained: count)
    let workers = (0..<min(threads, lanes.count)).map { _ in Worker(self, shardSize: shards.size, frozen) }
    let gradients = UnsafeMutablePointer<Float>.allocate(capacity: count * lanes.count)
    let losses = UnsafeMutablePointer<Double>.allocate(capacity: shards.count)
    defer {
      gradients.deallocate()
      losses.deallocate()
    }
    let pool = WorkerPool(workers: workers, gradients: SharedMemory(gradients), losses: SharedMemory(losses))
    while state.step < plan.steps {
      let step = state.step
      frozen.update(average: state.averages)
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
      let norm = try update(&state, pool.gradients, buffers: lanes.count, loss: loss)
      let goOn = try onStep(
        Step(number: state.step, loss: loss, learningRate: plan.rate(at: step), gradientNorm: norm))
      if !goOn { return }
    }
  }

  /// How many gradient buffers there are at most, and so how many threads can be of use.
  static let lanes = 8

  /// Half of the batch within the network's range: large products are the fastest, and a shard's activations are to
  /// stay near the processor.
  static func shardSize(batch: Int, _ range: ClosedRange<Int>) -> Int {
    min(range.upperBound, max(range.lowerBound, (batch + 1) / 2))
  }

  /// Adds the lanes' gradients up, clips them, and takes the optimiser's step; returns the gradient's norm.
  private func update(
    _ state: inout TrainingState, _ gradients: SharedMemory<Float>, buffers: Int, loss: Double
  ) throws -> Double {
    let count = state.parameters.count
    let step = state.step
    let chunks = Shards(rows: count, size: 1 << 16)
    let squares = Mutex([Double](repeating: 0, count: chunks.count))
    try chunks.forEach(threads: threads) { chunk, range in
      let sum = ck_reduce(
        gradients.pointer + range.lowerBound, gradients.pointer + range.lowerBound, buffers, count, range.count)
      squares.withLock { $0[chunk] = sum }
    }
    let norm = squares.withLock { $0.reduce(0, +) }.squareRoot()
    guard loss.isFinite, norm.isFinite else { throw ComputationError.nonFiniteLoss(step: step + 1) }

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
    return norm
  }

  /// Workers and the buffers they fill, each its own part.
  private struct WorkerPool: @unchecked Sendable {
    let workers: [Worker]
    let gradients: SharedMemory<Float>
    let losses: SharedMemory<Double>
  }

  /// One thread's memory: a tape, and what a shard's batch is made of.
  private final class Worker {
    private let trainer: Trainer
    private let tape: Tape
    private let worker: any ObjectiveWorker
    private let frozen: [String: ParameterSet]
    private let uniforms, variations, dropouts, offset: RowStorage
    /// The data's rows, and the time of each.
    private var rowsOfData: [Float]
    private var times: [Double]

    init(_ trainer: Trainer, shardSize: Int, _ values: FrozenValues) {
      self.trainer = trainer
      frozen = values.makeSets()
      tape = trainer.objective.network.makeTape()
      worker = trainer.objective.makeWorker(rows: shardSize, seed: trainer.seed)
      uniforms = RowStorage(RowSpan(first: 0, count: shardSize, dimension: 1))
      dropouts = RowStorage(RowSpan(first: 0, count: shardSize, dimension: 1))
      variations = RowStorage(RowSpan(first: 0, count: shardSize, dimension: 3))
      offset = RowStorage(RowSpan(first: 0, count: 1, dimension: 1))
      rowsOfData = Array(repeating: 0, count: shardSize * trainer.data.dimension)
      times = Array(repeating: 0, count: shardSize)
    }

    /// The loss and gradient of some rows of a step's batch.
    func run(
      _ rows: Range<Int>, step: Int, parameters: UnsafePointer<Float>,
      gradients: UnsafeMutablePointer<Float>, accumulate: Bool
    ) -> Double {
      let (plan, seed, data) = (trainer.plan, trainer.seed, trainer.data)
      let (dimension, count) = (data.dimension, data.count)
      tape.begin(parameters: parameters, recording: true, composing: trainer.objective.needsTangents)
      tape.enableDropout(seed: seed, step: step, firstRow: rows.lowerBound)
      // Which rows of the data, with replacement.
      let span = uniforms.view(of: rows)
      NoiseStream(seed: seed, purpose: .trainingRow).uniforms(into: span, step: step)
      let variation = variations.view(of: rows)
      NoiseStream(seed: seed, purpose: .augmentation).uniforms(into: variation, step: step)
      let shape = trainer.objective.network.conditionShape
      let condition = ScoreModel.makeConditionTensor(rows: rows.count, shape: shape, on: tape)
      let drops = dropouts.view(of: rows)
      if plan.conditionDropout > 0 {
        NoiseStream(seed: seed, purpose: .conditionDropout).uniforms(into: drops, step: step)
      } else {
        drops.fill(1)
      }
      // Quantiles of the times spread evenly from one random offset: of their law each, and less noisy together.
      NoiseStream(seed: seed, purpose: .trainingTime).uniforms(into: offset.rows, step: step)
      let (law, start) = (trainer.objective.times, offset.rows[0, 0])
      for i in 0..<rows.count {
        let u = start + Double(rows.lowerBound + i) / Double(plan.batch)
        times[i] = law.time(atQuantile: u - u.rounded(.down))
      }
      let loss = rowsOfData.withUnsafeMutableBufferPointer { buffer in
        for i in 0..<rows.count {
          let item = min(Int(span.values[i] * Double(count)), count - 1)
          data.copy(
            item,
            variation: Variation(
              uniforms: SIMD3(variation[i, 0], variation[i, 1], variation[i, 2]), seed: seed, step: step,
              row: rows.lowerBound + i),
            into: buffer.baseAddress! + i * dimension)
          if let condition {
            ScoreModel.write(
              drops[i, 0] < plan.conditionDropout ? .nothing : trainer.conditions[item], into: condition, row: i,
              shape: shape)
          }
        }
        return times.withUnsafeBufferPointer { times in
          worker.loss(
            of: TrainingShard(
              rows: rows, data: buffer, times: times.baseAddress!, condition: condition, frozen: frozen,
              step: step, batch: plan.batch),
            on: tape)
        }
      }
      tape.backward(from: loss, gradients: gradients, accumulate: accumulate)
      return Double(loss.values[0])
    }
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
