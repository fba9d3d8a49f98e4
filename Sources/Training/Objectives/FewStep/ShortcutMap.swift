// SPDX-License-Identifier: GPL-3.0-or-later
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
/// velocity, v = m′ x_0 + σ′ z or the teacher's. No row learns steps of 1/M: the network is asked for them between what
/// it learns at 0 and at 2/M. (The authors ask it at d = 0 in their place.)
public struct ShortcutMap: TwoTimesObjective {
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

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: ShortcutMap
    private let batch: TwoTimesBatch
    private var middle: [NoiseNode] = []

    init(_ objective: ShortcutMap, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = TwoTimesBatch(objective.base, rows: rows, seed: seed)
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (model, count, end) = (batch.model, shard.rows.count, batch.base.end)
      let u = batch.batch.uniforms(shard)
      let length = model.duration - end.time
      func node(_ share: Double) -> NoiseNode {
        share == 0 ? end : NoiseNode(model, at: share == 1 ? model.duration : end.time + share * length)
      }
      batch.clear()
      middle.removeAll(keepingCapacity: true)
      for i in 0..<count {
        if u[i, 0] < batch.base.diagonal {
          let same = NoiseNode(model, at: shard.times[i])
          batch.append(from: same, to: same)
          middle.append(same)
          continue
        }
        // d = 2^{−k}, k from 1 to log₂ M, and one of the 2^{k−1} steps of 2d.
        let k = 1 + min(Int(u[i, 1] * Double(objective.levels)), objective.levels - 1)
        let steps = 1 << (k - 1)
        let place = 1 + min(Int(u[i, 2] * Double(steps)), steps - 1)
        let d = 0.5 / Double(steps)
        batch.append(from: node(2 * d * Double(place)), to: node(2 * d * Double(place - 1)))
        middle.append(node(2 * d * Double(place) - d))
      }
      batch.setStates(shard)
      let (from, to) = (batch.from, batch.to)
      let error = batch.composition(over: middle, under: shard.frozen[ShortcutMap.average], shard, tape) {
        -1 / (from[$0].time - to[$0].time)
      }
      // At equal times v = ẋ is (m′ − m σ′/σ) D + (σ′/σ) x.
      var weights = batch.evenWeights(shard)
      for i in 0..<count where from[i].time == to[i].time {
        let (m, rate) = (from[i].moments, MapRates(batch.base.process, from[i]))
        let d = model.prediction.denoiser(m, dataDeviation: model.dataDeviation)
        let gain = (rate.scale - m.scale * rate.deviation / m.deviation) * d.output
        weights[i] *= gain * gain
      }
      return RowLoss.squared.loss(error, weights: weights, on: tape)
    }
  }
}
