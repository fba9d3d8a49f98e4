// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Tensors

/// Easy consistency tuning, ECT (Geng et al. 2024, arXiv 2406.14548): from a diffusion model, which is the case r = ε,
/// to a consistency function, as r comes closer to t. With two noised states of the same x_0 and z, the mean over rows
/// of
///
///     φ(‖f_θ(x_t, t) − f_θ⁻(x_r, r)‖²)/(σ̃_t − σ̃_r)
///
///     σ̃_r = max(σ̃_t (1 − n(σ̃_t)/q^{1 + min(⌊i/d⌋, K − 1)}), σ̃_ε),   n(σ̃) = 1 + k/(1 + e^{b σ̃})
///
/// at step i, with φ(u) = √(u + c²) − c and f(x, t) = X_{t→ε}(x) (the authors' code, `ECMLoss` with `adj: sigmoid`).
/// There are K stages of d steps, and the last one lasts as long as the training: after many more, single precision
/// could not tell both states apart. Where the authors take x_0 itself for r = 0, states end at ε here.
public struct EasyConsistency: Objective {
  /// The mapping from t to r.
  public struct Mapping: Sendable, Equatable {
    /// q, k and b.
    public let q, k, b: Double
    /// d: steps of a stage; and K: how many stages there are.
    public let stage, stages: Int

    /// q of a stage of so many steps, k and b of n, and the number of stages.
    public init(q: Double = 2, k: Double = 8, b: Double = 1, stage: Int, stages: Int = 8) {
      precondition(q > 1 && k >= 0 && b >= 0 && stage > 0 && stages > 0)
      (self.q, self.k, self.b, self.stage, self.stages) = (q, k, b, stage, stages)
    }

    /// σ̃_r before it is bounded by σ̃_ε.
    public func ratio(of ratio: Double, at step: Int) -> Double {
      let adjustment = 1 + k / (1 + exp(b * ratio))
      return ratio * (1 - adjustment * pow(q, -Double(1 + min(step / stage, stages - 1))))
    }
  }

  /// The network with its conventions.
  public let model: ScoreModel
  /// From t to r.
  public let mapping: Mapping
  /// φ
  public let loss: RowLoss
  public let times: TrainingTimes
  /// ε, as one of all rows.
  private let end: [NoiseNode]

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }

  /// - Parameters:
  ///   - model: with a scalar kernel; its parameters are not used.
  ///   - end: ε, to which the network maps.
  ///   - mapping: from t to r.
  ///   - loss: φ
  ///   - times: the law of t.
  public init(_ model: ScoreModel, to end: Double, mapping: Mapping, loss: RowLoss, times: TrainingTimes) {
    (self.model, self.mapping, self.loss, self.times) = (model, mapping, loss, times)
    self.end = [NoiseNode(model, at: end)]
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: EasyConsistency
    private let batch: FewStepBatch
    private var upper: [NoiseNode] = []
    private var lower: [NoiseNode] = []
    private var weights: [Double] = []

    init(_ objective: EasyConsistency, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = FewStepBatch(objective.model, rows: rows, seed: seed)
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (model, end, count) = (objective.model, objective.end[0], shard.rows.count)
      upper.refill(count) { NoiseNode(model, at: shard.times[$0]) }
      lower.refill(count) { i in
        let node = upper[i]
        let ratio = objective.mapping.ratio(of: node.ratio, at: shard.step)
        guard ratio > end.ratio else { return end }
        return NoiseNode(
          model, at: model.kernel.time(ofNoiseToSignal: ratio, from: end.time, to: node.time))
      }
      weights.refill(count) { i in
        // At ε itself there is nothing to learn.
        let distance = upper[i].ratio - lower[i].ratio
        return distance > 0 ? 1 / (distance * Double(shard.batch)) : 0
      }
      return batch.pairLoss(upper, lower, to: objective.end, objective.loss, weights, shard, tape)
    }
  }
}
