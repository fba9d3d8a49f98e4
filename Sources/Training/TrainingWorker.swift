// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Tensors

/// One thread's memory: a tape, and what a shard's batch is made of.
final class TrainingWorker {
  private let trainer: Trainer
  private let tape: Tape
  private let worker: any ObjectiveWorker
  private let frozen: [String: ParameterSet]
  private let uniforms, variations, dropouts, offset: RowStorage
  /// The data's rows, and the time of each.
  private var rowsOfData: [Float]
  private var times: [Double]
  /// Which item of the data each row is.
  private var items: [Int]

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
    items = Array(repeating: 0, count: shardSize)
  }

  /// The loss and gradient of some rows of a step's batch.
  func run(
    _ rows: Range<Int>, step: Int, parameters: UnsafePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, accumulate: Bool
  ) -> Double {
    let loss = loss(of: rows, step: step, parameters: parameters)
    tape.backward(from: loss, gradients: gradients, accumulate: accumulate)
    return Double(loss.values[0])
  }

  /// Puts the loss of some rows on the tape.
  private func loss(of rows: Range<Int>, step: Int, parameters: UnsafePointer<Float>) -> Tensor {
    let (plan, seed) = (trainer.plan, trainer.seed)
    let needsTangents = trainer.objective.needsTangents
    tape.begin(parameters: parameters, recording: true, composing: needsTangents, once: !needsTangents)
    tape.enableDropout(seed: seed, step: step, firstRow: rows.lowerBound)
    let network = trainer.objective.network
    let told = ScoreModel.makeConditionTensor(rows: rows.count, for: network, on: tape)
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
    return rowsOfData.withUnsafeMutableBufferPointer { buffer in
      draw(rows, step: step, into: buffer.baseAddress!)
      if let told {
        for i in 0..<rows.count {
          ScoreModel.write(
            drops[i, 0] < plan.conditionDropout ? .nothing : trainer.conditions[items[i]], into: told, row: i,
            for: network)
        }
      }
      let condition = told.map { network.encodeCondition($0, on: tape) }
      return times.withUnsafeBufferPointer { times in
        worker.loss(
          of: TrainingShard(
            rows: rows, data: buffer, times: times.baseAddress!, condition: condition, frozen: frozen,
            step: step, batch: plan.batch, items: items, copyBatch: copyBatch),
          on: tape)
      }
    }
  }

  /// Draws rows of the data, with replacement, and remembers which items they are.
  private func draw(_ rows: Range<Int>, step: Int, into memory: UnsafeMutablePointer<Float>) {
    let (seed, data) = (trainer.seed, trainer.data)
    let span = uniforms.view(of: rows)
    NoiseStream(seed: seed, purpose: .trainingRow).uniforms(into: span, step: step)
    let variation = variations.view(of: rows)
    NoiseStream(seed: seed, purpose: .augmentation).uniforms(into: variation, step: step)
    for i in 0..<rows.count {
      items[i] = min(Int(span.values[i] * Double(data.count)), data.count - 1)
      data.copy(
        items[i],
        variation: Variation(
          uniforms: SIMD3(variation[i, 0], variation[i, 1], variation[i, 2]), seed: seed, step: step,
          row: rows.lowerBound + i),
        into: memory + i * data.dimension)
    }
  }

  /// Writes the data of all rows of a step's batch: the same as shards have.
  private func copyBatch(step: Int, into memory: UnsafeMutablePointer<Float>) {
    let (batch, size, kept) = (trainer.plan.batch, items.count, items)
    for first in stride(from: 0, to: batch, by: size) {
      draw(first..<min(batch, first + size), step: step, into: memory + first * trainer.data.dimension)
    }
    items = kept
  }

  // MARK: After a failure

  private static let remedies = (
    weights: "a step too far or a damaged checkpoint made the weights so; lower training.learning_rate",
    layer: "lower training.learning_rate, raise training.warmup or set training.clip; training.on_non_finite: skip "
      + "leaves such steps out",
    data: "mend or remove that row",
    objective: "raise training.epsilon or take another training.weighting, as weights grow without bound near t = 0"
  )

  /// The square of an output as large as this, and so its loss, is no number of single precision.
  private static let largestOutput: Float = 1e15

  /// Takes the rows of a step's batch through the network one by one, to find the one whose loss or gradient is not
  /// finite, and the layer in which it arises.
  /// - Parameter gradients: memory for a gradient.
  func culprit(
    of rows: Range<Int>, step: Int, parameters: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>
  ) -> NonFinite {
    let layout = trainer.objective.network.layout
    var found = NonFinite(.loss, step: step + 1)
    if let name = layout.firstNonFinite(in: parameters) {
      (found.place, found.remedy) = ("parameter \(name)", Self.remedies.weights)
      return found
    }
    for row in rows {
      let loss = loss(of: row..<row + 1, step: step, parameters: parameters)
      if loss.values[0].isFinite { continue }
      note(row, in: &found)
      if !rowsOfData.prefix(trainer.data.dimension).allSatisfy(\.isFinite) {
        (found.place, found.remedy) = ("row \(items[0]) of the data", Self.remedies.data)
      } else if let layer = tape.firstNonFinite(), !layer.contains("weightedSquares") {
        (found.place, found.remedy) = ("\(layer), from row \(items[0]) of the data", Self.remedies.layer)
      } else if tape.largestMagnitude() > Self.largestOutput {
        found.place =
          "the loss of outputs that have grown to \(tape.largestMagnitude()), from row \(items[0]) of the data"
        found.remedy = Self.remedies.layer
      } else {
        (found.place, found.remedy) = ("the objective, from row \(items[0]) of the data", Self.remedies.objective)
      }
      return found
    }
    found.quantity = .gradient
    found.remedy = Self.remedies.layer
    for row in rows {
      _ = run(row..<row + 1, step: step, parameters: parameters, gradients: gradients, accumulate: false)
      guard let name = layout.firstNonFinite(in: gradients) else { continue }
      note(row, in: &found)
      found.place = "that of parameter \(name), from row \(items[0]) of the data"
      return found
    }
    found.place = "the sum over the batch"
    return found
  }

  private func note(_ row: Int, in found: inout NonFinite) {
    found.row = row
    found.time = times[0]
    found.noiseToSignal = trainer.objective.times.noiseToSignal(at: times[0])
  }
}
