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
public struct ProgressiveMap: TwoTimesObjective {
  public let base: TwoTimes
  public let times: TrainingTimes

  /// The objective of maps between two times, at first times of a law.
  public init(_ base: TwoTimes, times: TrainingTimes) { (self.base, self.times) = (base, times) }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(base, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let batch: TwoTimesBatch

    init(_ base: TwoTimes, rows: Int, seed: UInt64) { batch = TwoTimesBatch(base, rows: rows, seed: seed) }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      batch.draw(shard, batch.base.secondTimes)
      let (model, count) = (batch.model, shard.rows.count)
      let u = batch.batch.uniforms(shard)
      let middle = (0..<count).map { i in
        let (a, b) = (batch.from[i], batch.to[i])
        if batch.isDiagonal[i] { return a }
        let ratio = b.ratio * pow(a.ratio / b.ratio, u[i, 2])
        return NoiseNode(model, at: model.kernel.time(ofNoiseToSignal: ratio, from: b.time, to: a.time))
      }
      let error = batch.composition(over: middle, under: nil, shard, tape) { i in
        let c = model.mapCoefficients(from: batch.from[i].moments, to: batch.to[i].moments)
        return 1 / c.output
      }
      return RowLoss.squared.loss(error, weights: batch.evenWeights(shard), on: tape)
    }
  }
}

extension TwoTimesBatch {
  /// factor (X_{t→s}(x) − X⁻_{r→s}(X⁻_{t→r}(x))) on the tape; of rows whose times are equal (D_θ − D)/out.
  /// - Parameters:
  ///   - middle: r of each row.
  ///   - set: the parameters of the right side; nil: those that are trained.
  ///   - shard: says what the network is told.
  ///   - tape: records it.
  ///   - factor: of a row whose times are not equal.
  func composition(
    over middle: [NoiseNode], under set: ParameterSet?, _ shard: TrainingShard, _ tape: Tape,
    factor: (Int) -> Double
  ) -> Tensor {
    let count = from.count
    let (target, own) = (batch.rows(1, count), batch.rows(2, count))
    batch.map(x, from: from, to: middle, under: set, shard, tape, into: target)
    batch.map(target, from: middle, to: to, under: set, shard, tape, into: target)
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
