// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
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
    let dimension = x.dimension
    for i in 0..<x.count {
      let m = nodes[i].moments
      ck_combine_float(
        x.row(i).values, m.deviation, z.row(i).values, m.scale, shard.data.baseAddress! + i * dimension, dimension)
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
    let output = tape.withoutRecording { () -> Tensor in
      func output() -> Tensor { model.output(x, at: nodes, to: ends, told: shard.condition, on: tape) }
      return target.map { tape.with($0, output) } ?? output()
    }
    for i in 0..<x.count {
      // A map to where a row stands already leaves it there.
      let c = model.mapCoefficients(from: nodes[i].moments, to: ends[ends.count == 1 ? 0 : i].moments)
      ck_combine_float(
        out.row(i).values, c.skip, x.row(i).values, c.output, output.values + i * x.dimension, x.dimension)
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
    for i in 0..<x.count {
      let c = model.mapCoefficients(from: nodes[i].moments, to: ends[ends.count == 1 ? 0 : i].moments)
      factors.values[i] = Float(c.output)
      for j in 0..<x.dimension { rest[i, j] = Float(c.skip * x[i, j] - y[i, j]) }
    }
    return tape.sum(1, tape.scaleRows(output, by: factors), 1, rest)
  }
}

extension Purpose {
  /// The second times of a training of few steps, and which rows are trained how.
  static let secondTime = Purpose(rawValue: 33)
}
