// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Processes
import Tensors

/// Lagrangian distillation of a flow map (Boffi, Albergo and Vanden-Eijnden 2024, arXiv 2406.07507, and 2025, arXiv
/// 2505.18825, eq. 13): ∂_s X_{t→s}(x) = b(X_{t→s}(x), s) for the flow's velocity b. In ln σ̃ and with the denoiser
/// that the map is made of, X_{t→s} = (σ_s/σ_t) x + (m_s − m_t σ_s/σ_t) D_θ(x; t, s), it says
///
///     D_θ − (1 − σ̃_s/σ̃_t) ∂D_θ/∂ln σ̃_s = D_b(X_{t→s}(x), s),
///
/// and the loss is the mean square of the difference divided by D's factor of the network's output, so that an error of
/// the network counts the same at all times. Where t = s this is denoising. D_b is the teacher's, or in
/// self-distillation the network's own at equal times; no gradient flows through it.
///
/// Maps that go forward, from a smaller time to a larger one, satisfy the same equation; their error is multiplied by
/// σ̃_t/σ̃_s, which makes it that of the noise prediction (x − m D)/σ at s.
///
/// A network with a divergence learns the log determinant of the map beside it (F2D2, Ai et al. 2025, arXiv 2512.02636,
/// here in Lagrangian form): ∂_s ln |det ∂X_{t→s}/∂x| = ∇·b(X_{t→s}(x), s), which for its H (`ScoreModel`) says
///
///     H_θ + (ln σ̃_s − ln σ̃_t) ∂H_θ/∂ln σ̃_s = q(X_{t→s}(x), s),   q = D m² σ_d²/(m² σ_d² + σ²) − m ∇·D_b.
///
/// The mean square of this difference, divided by D, is added to the loss. ∇·D_b is exact in up to 8 dimensions, and
/// vᵀ (∂D_b/∂x) v with one vector v of ±1 a row in more, whose mean it is.
public struct LagrangianMap: TwoTimesLoss {
  public let base: TwoTimes
  public let times: TrainingTimes

  public var needsTangents: Bool { true }

  /// The objective of maps between two times, at first times of a law.
  public init(_ base: TwoTimes, times: TrainingTimes) { (self.base, self.times) = (base, times) }

  func loss(_ batch: TwoTimesBatch, of shard: TrainingShard, on tape: Tape) -> Tensor {
    batch.draw(shard, batch.base.secondTimes)
    let (model, x, count) = (batch.model, batch.x, shard.rows.count)
    let dimension = batch.dimension
    let hasDivergence = model.network.hasDivergence
    let (mapped, target, own) = (batch.batch.rows(1, count), batch.batch.rows(2, count), batch.batch.rows(3, count))
    let pass = batch.forward(shard, tape, withDivergence: hasDivergence)
    for i in 0..<count {
      let c = model.mapCoefficients(from: batch.from[i].moments, to: batch.to[i].moments)
      for j in 0..<dimension { mapped[i, j] = c.skip * x[i, j] + c.output * Double(pass.output[i, j]) }
    }
    let divergences = tape.constant(rows: count, columns: 1)
    if hasDivergence {
      batch.denoised(mapped, at: batch.to, shard, tape, into: target, divergences: divergences.values)
    } else {
      batch.denoised(mapped, at: batch.to, shard, tape, into: target)
    }
    batch.wanted(shard, tape, into: own)
    let rates = tape.constant(rows: count, columns: 1)
    let shares = tape.constant(rows: count, columns: 1)
    let rest = tape.constant(rows: count, columns: dimension)
    batch.weighEvenly(shard)
    for i in 0..<count {
      let d = model.prediction.denoiser(batch.from[i].moments, dataDeviation: model.dataDeviation)
      rates.values[i] = Float(model.levelRate(batch.to[i], batch.base.affine))
      let ratio = batch.to[i].ratio / batch.from[i].ratio
      shares.values[i] = Float(ratio - 1)
      if ratio > 1 { batch.weights[i] /= ratio * ratio }
      for j in 0..<dimension {
        let goal = batch.isDiagonal[i] ? own[i, j] : target[i, j]
        rest[i, j] = Float((d.skip * x[i, j] - goal) / d.output)
      }
    }
    let moved = tape.tangent(of: pass.output, along: (pass.second, rates))
    func part(_ all: Tensor) -> Tensor { hasDivergence ? tape.columns(all, first: 0, count: dimension) : all }
    var error = tape.sum(1, part(pass.output), 1, rest)
    if let moved { error = tape.sum(1, error, 1, tape.scaleRows(part(moved), by: shares)) }
    let loss = RowLoss.squared.loss(error, weights: batch.weights, on: tape)
    guard hasDivergence else { return loss }
    return tape.sum(1, loss, 1, divergenceLoss(batch, pass.output, moved, divergences, shard, tape))
  }

  /// The part of the loss that is of H, the last column of the output, with its derivative by ln σ̃_s.
  private func divergenceLoss(
    _ batch: TwoTimesBatch, _ output: Tensor, _ moved: Tensor?, _ divergences: Tensor, _ shard: TrainingShard,
    _ tape: Tape
  ) -> Tensor {
    let (model, count, dimension) = (batch.model, shard.rows.count, batch.dimension)
    let (lengths, rest) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: 1))
    for i in 0..<count {
      let m = batch.to[i].moments
      let signal = m.scale * m.scale * model.dataDeviation * model.dataDeviation
      lengths.values[i] = Float(log(batch.to[i].ratio / batch.from[i].ratio))
      rest.values[i] = Float(
        m.scale * Double(divergences.values[i]) - Double(dimension) * signal / (signal + m.variance))
    }
    var error = tape.sum(1, tape.columns(output, first: dimension, count: 1), 1, rest)
    if let moved {
      error = tape.sum(1, error, 1, tape.scaleRows(tape.columns(moved, first: dimension, count: 1), by: lengths))
    }
    batch.weighEvenly(shard)
    return RowLoss.squared.loss(error, weights: batch.weights, on: tape)
  }
}
