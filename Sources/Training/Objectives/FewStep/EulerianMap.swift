// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Tensors

/// Eulerian distillation of a flow map (Boffi, Albergo and Vanden-Eijnden 2024, arXiv 2406.07507, and 2025, arXiv
/// 2505.18825, eq. 14): ∂_t X_{t→s}(x) + ∇X_{t→s}(x) b(x, t) = 0, as the end of a path does not depend on where on it
/// one begins. In ln σ̃ and with the denoiser D_θ(x; t, s) that the map is made of, and ρ = σ̃_s/σ̃_t, it says
///
///     ρ (D_θ − D_b(x, t)) + (1 − ρ) dD_θ/dln σ̃_t = 0,
///
/// with the derivative along the flow, and the loss is the mean square of the left side divided by D's factor of the
/// network's output. Where t = s this is denoising. D_b is the teacher's, or in self-distillation the network's own at
/// equal times; no gradient flows through it.
public struct EulerianMap: TwoTimesLoss {
  public let base: TwoTimes
  public let times: TrainingTimes

  public var needsTangents: Bool { true }

  /// The objective of maps between two times, at first times of a law.
  public init(_ base: TwoTimes, times: TrainingTimes) { (self.base, self.times) = (base, times) }

  func loss(_ batch: TwoTimesBatch, of shard: TrainingShard, on tape: Tape) -> Tensor {
    batch.draw(shard, batch.base.secondTimes)
    let (model, x, count) = (batch.model, batch.x, shard.rows.count)
    let (flow, own, velocity) = (batch.batch.rows(1, count), batch.batch.rows(2, count), batch.batch.rows(3, count))
    batch.denoised(x, at: batch.from, shard, tape, into: flow)
    batch.wanted(shard, tape, into: own)
    batch.findRates()
    batch.weighEvenly(shard)
    batch.velocity(flow, into: velocity)
    let pass = batch.forward(shard, tape)
    let (outputs, slopes) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: 1))
    let rest = tape.constant(rows: count, columns: batch.dimension)
    for i in 0..<count {
      let m = batch.from[i].moments
      let d = model.prediction.denoiser(m, dataDeviation: model.dataDeviation)
      let rate = batch.rates[i].denoiser(model.prediction, m, model.dataDeviation)
      // 1/(d ln σ̃/dt), as rates are by t.
      let unit = 1 / batch.rates[i].logRatio(m)
      let share = batch.isDiagonal[i] ? 1 : batch.to[i].ratio / batch.from[i].ratio
      outputs.values[i] = Float(share + (1 - share) * unit * rate.output / d.output)
      slopes.values[i] = Float((1 - share) * unit)
      for j in 0..<batch.dimension {
        let goal = batch.isDiagonal[i] ? own[i, j] : flow[i, j]
        let moved = unit * (rate.skip * x[i, j] + d.skip * velocity[i, j])
        rest[i, j] = Float((share * (d.skip * x[i, j] - goal) + (1 - share) * moved) / d.output)
      }
    }
    var error = tape.sum(1, tape.scaleRows(pass.output, by: outputs), 1, rest)
    if let moved = batch.tangentAlong(velocity, pass, tape) {
      error = tape.sum(1, error, 1, tape.scaleRows(moved, by: slopes))
    }
    return RowLoss.squared.loss(error, weights: batch.weights, on: tape)
  }
}
