// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Processes
import Tensors

/// Progressive self-distillation of a flow map (Boffi, Albergo and Vanden-Eijnden 2025, arXiv 2505.18825, eq. 15): one
/// long step learns what two short ones make,
///
///     X_{t→s}(x) = X⁻_{r→s}(X⁻_{t→r}(x)),
///
/// with t > r > s, without a gradient on the right. The loss is the mean square of the difference divided by the map's
/// factor of the network's output. Rows whose two times are equal learn D: of the teacher, or of the data.
public struct ProgressiveMap: TwoTimesLoss {
  public let base: TwoTimes
  public let times: TrainingTimes

  /// The objective of maps between two times, at first times of a law.
  public init(_ base: TwoTimes, times: TrainingTimes) { (self.base, self.times) = (base, times) }

  func loss(_ batch: TwoTimesBatch, of shard: TrainingShard, on tape: Tape) -> Tensor {
    batch.draw(shard, batch.base.secondTimes)
    let (model, count) = (batch.model, shard.rows.count)
    let u = batch.batch.uniforms(shard)
    batch.middle.refill(count) { i in
      let (a, b) = (batch.from[i], batch.to[i])
      if batch.isDiagonal[i] { return a }
      let ratio = b.ratio * pow(a.ratio / b.ratio, u[i, 2])
      return NoiseNode(model, at: model.kernel.time(ofNoiseToSignal: ratio, from: b.time, to: a.time))
    }
    let target = batch.batch.rows(1, count)
    batch.batch.map(batch.x, from: batch.from, to: batch.middle, under: nil, shard, tape, into: target)
    batch.batch.map(target, from: batch.middle, to: batch.to, under: nil, shard, tape, into: target)
    let error = batch.error(of: target, shard, tape) { i in
      let c = model.mapCoefficients(from: batch.from[i].moments, to: batch.to[i].moments)
      return 1 / c.output
    }
    batch.weighEvenly(shard)
    return RowLoss.squared.loss(error, weights: batch.weights, on: tape)
  }
}

extension TwoTimesBatch {
  /// factor (X_{t→s}(x) − y) on the tape; of rows whose times are equal (D_θ − D)/out.
  /// - Parameters:
  ///   - target: y
  ///   - shard: says what the network is told.
  ///   - tape: records it.
  ///   - factor: of a row whose times are not equal.
  func error(of target: Rows, _ shard: TrainingShard, _ tape: Tape, factor: (Int) -> Double) -> Tensor {
    let (count, own) = (from.count, batch.rows(2, from.count))
    wanted(shard, tape, into: own)
    let output = model.output(x, at: from, to: to, told: shard.condition, on: tape)
    let (factors, rest) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: dimension))
    for i in 0..<count {
      let d = model.prediction.denoiser(from[i].moments, dataDeviation: model.dataDeviation)
      let c = model.mapCoefficients(from: from[i].moments, to: to[i].moments)
      let unit = isDiagonal[i] ? 1 / d.output : factor(i)
      factors.values[i] = Float(unit * (isDiagonal[i] ? d.output : c.output))
      for j in 0..<dimension {
        rest[i, j] = Float(
          unit * (isDiagonal[i] ? d.skip * x[i, j] - own[i, j] : c.skip * x[i, j] - target[i, j]))
      }
    }
    return tape.sum(1, tape.scaleRows(output, by: factors), 1, rest)
  }
}
