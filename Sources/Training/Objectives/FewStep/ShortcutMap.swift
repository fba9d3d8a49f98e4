// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Models
import Networks
import Processes
import Tensors

/// Shortcut models (Frans et al. 2024, arXiv 2410.12557, algorithm 1): with steps d of 1/M, 2/M, …, 1/2 of the time
/// from T to ε, one step of 2d learns what two of d make under the average of the parameters. With the mean velocity
/// u(x; t, s) = (x − X_{t→s}(x))/(t − s) the loss is the mean over rows of
///
///     ‖u_θ(x; t, t − 2d) − (u⁻(x; t, t − d) + u⁻(x′; t − d, t − 2d))/2‖²/D,   x′ = x − d u⁻(x; t, t − d),
///
/// where t is a multiple of 2d above ε; of the other rows, whose two times are equal and anywhere, it is that of the
/// velocity, v = m′ x_0 + σ′ z or the teacher's. Steps of d = 1/M are Euler's with that velocity, u⁻(x; t, t), as the
/// authors ask their network for them at d = 0: M steps of it are a solver's of the probability flow (`euler`), and the
/// map is for steps of 2/M and more.
public struct ShortcutMap: TwoTimesLoss {
  public let base: TwoTimes
  /// log₂ M
  public let levels: Int
  public let times: TrainingTimes

  public var frozen: [FrozenParameters] {
    (base.teacher?.frozen ?? []) + [FrozenParameters(Self.average, network, .average)]
  }
  private static let average = "average"

  /// - Parameters:
  ///   - base: the map; the paper has equal times in three quarters of the rows.
  ///   - levels: log₂ M; 7 in the paper.
  ///   - times: the law of the times of rows whose two are equal.
  public init(_ base: TwoTimes, levels: Int = 7, times: TrainingTimes) {
    precondition(levels > 0 && levels <= 30)
    (self.base, self.levels, self.times) = (base, levels, times)
  }

  func loss(_ batch: TwoTimesBatch, of shard: TrainingShard, on tape: Tape) -> Tensor {
    draw(batch, shard)
    let count = shard.rows.count
    let target = batch.batch.rows(1, count)
    step(batch, batch.x, from: batch.from, to: batch.middle, shard, tape, into: target)
    step(batch, target, from: batch.middle, to: batch.to, shard, tape, into: target)
    let error = batch.error(of: target, shard, tape) { -1 / (batch.from[$0].time - batch.to[$0].time) }
    batch.weighEvenly(shard)
    for i in 0..<count where batch.isDiagonal[i] {
      let gain = velocity(batch, at: batch.from[i]).output
      batch.weights[i] *= gain * gain
    }
    return RowLoss.squared.loss(error, weights: batch.weights, on: tape)
  }

  /// Draws the rows' times: column 0 of the uniform numbers says which two are equal, column 1 d, and column 2 where.
  private func draw(_ batch: TwoTimesBatch, _ shard: TrainingShard) {
    let (model, end) = (batch.model, batch.base.end)
    let u = batch.batch.uniforms(shard)
    let length = model.duration - end.time
    func node(_ share: Double) -> NoiseNode {
      share == 0 ? end : NoiseNode(model, at: share == 1 ? model.duration : end.time + share * length)
    }
    batch.clear()
    for i in 0..<shard.rows.count {
      if u[i, 0] < batch.base.diagonal {
        let same = NoiseNode(model, at: shard.times[i])
        batch.append(from: same, to: same)
        batch.middle.append(same)
        batch.isSmallest.append(false)
        continue
      }
      // d = 2^{−k}, k from 1 to log₂ M, and one of the 2^{k−1} steps of 2d.
      let k = 1 + min(Int(u[i, 1] * Double(levels)), levels - 1)
      let steps = 1 << (k - 1)
      let place = 1 + min(Int(u[i, 2] * Double(steps)), steps - 1)
      let d = 0.5 / Double(steps)
      batch.append(from: node(2 * d * Double(place)), to: node(2 * d * Double(place - 1)))
      batch.middle.append(node(2 * d * Double(place) - d))
      batch.isSmallest.append(k == levels)
    }
    batch.setStates(shard)
  }

  /// x − d u⁻ of every row, with the velocity at equal times for u⁻ where d = 1/M.
  private func step(
    _ batch: TwoTimesBatch, _ x: Rows, from: [NoiseNode], to: [NoiseNode], _ shard: TrainingShard, _ tape: Tape,
    into out: Rows
  ) {
    let model = batch.model
    batch.told.refill(x.count) { batch.isSmallest[$0] ? from[$0] : to[$0] }
    let output = batch.batch.output(x, at: from, told: batch.told, under: shard.frozen[Self.average], shard, tape)
    for i in 0..<x.count {
      var (skip, factor): (Double, Double)
      if batch.isSmallest[i] {
        let (v, h) = (velocity(batch, at: from[i]), to[i].time - from[i].time)
        (skip, factor) = (1 + h * v.skip, h * v.output)
      } else {
        let c = model.mapCoefficients(from: from[i].moments, to: to[i].moments)
        (skip, factor) = (c.skip, c.output)
      }
      ck_combine_float(
        out.row(i).values, skip, x.row(i).values, factor, output.values + i * x.dimension, x.dimension)
    }
  }

  /// The factors of x and of the network's output in the velocity ẋ = (m′ − m σ′/σ) D + (σ′/σ) x at equal times.
  private func velocity(_ batch: TwoTimesBatch, at node: NoiseNode) -> (skip: Double, output: Double) {
    let (model, m, rate) = (batch.model, node.moments, MapRates(batch.base.affine, node))
    let d = model.prediction.denoiser(m, dataDeviation: model.dataDeviation)
    let share = rate.scale - m.scale * rate.deviation / m.deviation
    return (share * d.skip + rate.deviation / m.deviation, share * d.output)
  }
}
