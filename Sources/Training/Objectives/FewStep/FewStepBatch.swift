// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Tensors

/// A worker's memory for objectives of few steps, and what they all do with it.
final class FewStepBatch {
  let model: ScoreModel
  let seed: UInt64
  private let noise, shares: RowStorage
  private var storages: [RowStorage] = []
  private let span: RowSpan
  /// The times that a teacher is asked at.
  var nodes: [NoiseNode] = []

  /// - Parameters:
  ///   - model: whose network is trained.
  ///   - rows: how many there are at most.
  ///   - seed: of all random numbers.
  init(_ model: ScoreModel, rows: Int, seed: UInt64) {
    (self.model, self.seed) = (model, seed)
    span = RowSpan(first: 0, count: rows, dimension: model.network.dimension)
    noise = RowStorage(span)
    shares = RowStorage(RowSpan(first: 0, count: rows, dimension: 4))
  }

  /// Memory for states, made once: the beginning of it as `count` rows.
  func rows(_ index: Int, _ count: Int) -> Rows { storage(index).view(of: 0..<count) }

  /// That memory.
  func storage(_ index: Int) -> RowStorage {
    while storages.count <= index { storages.append(RowStorage(span)) }
    return storages[index]
  }

  /// The noise z of a shard's rows.
  func normals(_ shard: TrainingShard) -> Rows {
    let z = noise.view(of: shard.rows)
    NoiseStream(seed: seed, purpose: .trainingNoise).normals(into: z, step: shard.step)
    return z
  }

  /// Four uniform numbers for each of a shard's rows.
  func uniforms(_ shard: TrainingShard) -> Rows {
    let u = shares.view(of: shard.rows)
    NoiseStream(seed: seed, purpose: .secondTime).uniforms(into: u, step: shard.step)
    return u
  }

  /// Writes x_t = m x_0 + σ z.
  func perturb(_ shard: TrainingShard, _ z: Rows, at nodes: [NoiseNode], into x: Rows) {
    var (scale, deviation) = (0.0, 0.0)
    for i in 0..<x.count {
      if i == 0 || nodes[i].time != nodes[i - 1].time {
        (scale, deviation) = (nodes[i].moments.scale, nodes[i].moments.deviation)
      }
      let place = i * x.dimension
      for j in place..<place + x.dimension {
        x.values[j] = deviation * z.values[j] + scale * Double(shard.data[j])
      }
    }
  }

  /// Writes X_{t→s}(x) under the parameters that the tape reads now, without a record of it.
  /// - Parameters:
  ///   - x: states at t.
  ///   - nodes: t of each row.
  ///   - ends: s of each row, or one of all.
  ///   - target: the parameter set; nil: the trained parameters themselves.
  ///   - shard: says what the network is told.
  ///   - tape: computes it.
  ///   - out: of the shape of x, which it may be.
  func map(
    _ x: Rows, from nodes: [NoiseNode], to ends: [NoiseNode], under target: ParameterSet?, _ shard: TrainingShard,
    _ tape: Tape, into out: Rows
  ) {
    let output = output(x, at: nodes, told: ends, under: target, shard, tape)
    forEachMap(nodes, ends) { i, c in
      // A map to where a row stands already leaves it there.
      let place = i * x.dimension
      for j in place..<place + x.dimension {
        out.values[j] = c.skip * x.values[j] + c.output * Double(output.values[j])
      }
    }
  }

  /// The network's output F at states, without a record of it.
  /// - Parameters:
  ///   - x: states at t.
  ///   - nodes: t of each row.
  ///   - seconds: the second time that the network is told of each row, or one of all.
  ///   - target: the parameter set; nil: the trained parameters themselves.
  ///   - shard: says what else the network is told.
  ///   - tape: computes it.
  func output(
    _ x: Rows, at nodes: [NoiseNode], told seconds: [NoiseNode], under target: ParameterSet?, _ shard: TrainingShard,
    _ tape: Tape
  ) -> Tensor {
    tape.withoutRecording {
      guard let target else { return model.output(x, at: nodes, to: seconds, told: shard.condition, on: tape) }
      return tape.with(target) { model.output(x, at: nodes, to: seconds, told: shard.condition, on: tape) }
    }
  }

  /// X_{t→s}(x) − y on the tape, with the trained network.
  func error(
    _ x: Rows, from nodes: [NoiseNode], to ends: [NoiseNode], target y: Rows, _ shard: TrainingShard, _ tape: Tape
  ) -> Tensor {
    let output = model.output(x, at: nodes, to: ends, told: shard.condition, on: tape)
    let (factors, rest) = (
      tape.constant(rows: x.count, columns: 1), tape.constant(rows: x.count, columns: x.dimension)
    )
    forEachMap(nodes, ends) { i, c in
      factors.values[i] = Float(c.output)
      let place = i * x.dimension
      for j in place..<place + x.dimension { rest.values[j] = Float(c.skip * x.values[j] - y.values[j]) }
    }
    return tape.sum(1, tape.scaleRows(output, by: factors), 1, rest)
  }

  /// Tells the factors of each row's map; rows of a grid often have those of the row before.
  private func forEachMap(
    _ nodes: [NoiseNode], _ ends: [NoiseNode], _ body: (Int, (skip: Double, output: Double)) -> Void
  ) {
    var factors = (skip: 0.0, output: 0.0)
    for i in nodes.indices {
      let isShared = ends.count == 1
      if i == 0 || nodes[i].time != nodes[i - 1].time || !isShared {
        let c = model.mapCoefficients(from: nodes[i].moments, to: ends[isShared ? 0 : i].moments)
        factors = (c.skip, c.output)
      }
      body(i, factors)
    }
  }
}

extension Array {
  /// Takes values for rows in the memory of earlier ones.
  mutating func refill(_ count: Int, _ value: (Int) -> Element) {
    removeAll(keepingCapacity: true)
    for i in 0..<count { append(value(i)) }
  }
}

extension Purpose {
  /// The second times of a training of few steps, and which rows are trained how.
  static let secondTime = Purpose(rawValue: 33)
}
