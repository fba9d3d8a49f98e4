// SPDX-License-Identifier: GPL-3.0-or-later
import Core
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
public struct LagrangianMap: Objective {
  private let base: TwoTimes
  public let times: TrainingTimes

  public var network: any Network { base.model.network }
  public var dataDimension: Int { base.model.dataDimension }
  public var frozen: [FrozenParameters] { base.teacher?.frozen ?? [] }
  public var needsTangents: Bool { true }

  /// The objective of maps between two times, at first times of a law.
  public init(_ base: TwoTimes, times: TrainingTimes) { (self.base, self.times) = (base, times) }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(base, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let batch: TwoTimesBatch

    init(_ base: TwoTimes, rows: Int, seed: UInt64) { batch = TwoTimesBatch(base, rows: rows, seed: seed) }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      batch.draw(shard, .logRatio)
      let (model, x, count) = (batch.model, batch.x, shard.rows.count)
      let (mapped, target, own) = (batch.batch.rows(1, count), batch.batch.rows(2, count), batch.batch.rows(3, count))
      let pass = batch.forward(shard, tape)
      for i in 0..<count {
        let c = model.mapCoefficients(from: batch.from[i].moments, to: batch.to[i].moments)
        for j in 0..<batch.dimension { mapped[i, j] = c.skip * x[i, j] + c.output * Double(pass.output[i, j]) }
      }
      batch.denoised(mapped, at: batch.to, shard, tape, into: target)
      batch.wanted(shard, tape, into: own)
      let rates = tape.constant(rows: count, columns: 1)
      let shares = tape.constant(rows: count, columns: 1)
      let rest = tape.constant(rows: count, columns: batch.dimension)
      for i in 0..<count {
        let d = model.prediction.denoiser(batch.from[i].moments, dataDeviation: model.dataDeviation)
        rates.values[i] = Float(model.levelRate(batch.to[i], batch.base.process))
        shares.values[i] = Float(batch.to[i].ratio / batch.from[i].ratio - 1)
        for j in 0..<batch.dimension {
          let goal = batch.isDiagonal[i] ? own[i, j] : target[i, j]
          rest[i, j] = Float((d.skip * x[i, j] - goal) / d.output)
        }
      }
      var error = tape.sum(1, pass.output, 1, rest)
      if let moved = tape.tangent(of: pass.output, along: [(pass.second, rates)]) {
        error = tape.sum(1, error, 1, tape.scaleRows(moved, by: shares))
      }
      return RowLoss.squared.loss(error, weights: batch.evenWeights(shard), on: tape)
    }
  }
}

extension TwoTimesBatch {
  /// 1/(rows · dimension) for each row.
  func evenWeights(_ shard: TrainingShard) -> [Double] {
    Array(repeating: 1 / Double(shard.batch * dimension), count: shard.rows.count)
  }
}
