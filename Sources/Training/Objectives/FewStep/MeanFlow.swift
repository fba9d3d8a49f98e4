// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Processes
import Tensors

/// MeanFlow (Geng et al. 2025, arXiv 2505.13447, algorithm 1): the mean velocity u(x; t, s) = (x − X_{t→s}(x))/(t − s)
/// satisfies u = v − (t − s) du/dt along the flow, and the loss is the mean over rows of
///
///     ‖u_θ − sg(v − (t − s) du_θ/dt)‖²/(‖·‖² + c)^p,
///
/// with the conditional velocity v = m′ x_0 + σ′ z, or the teacher's, and without a gradient through the denominator.
/// As X = x − (t − s) u, the target is u + dX_{t→s}(x)/dt. For rectified flows it is the paper's; the identity holds
/// for every flow.
public struct MeanFlow: TwoTimesLoss {
  public let base: TwoTimes
  /// p and c.
  public let power, offset: Double
  public let times: TrainingTimes

  public var needsTangents: Bool { true }

  /// - Parameters:
  ///   - base: the map; the paper has equal times in three quarters of the rows.
  ///   - power: p, 0 to 1.
  ///   - offset: c, above 0.
  ///   - times: the law of the first time.
  public init(_ base: TwoTimes, power: Double = 1, offset: Double = 1e-3, times: TrainingTimes) {
    (self.base, self.power, self.offset, self.times) = (base, power, offset, times)
  }

  func loss(_ batch: TwoTimesBatch, of shard: TrainingShard, on tape: Tape) -> Tensor {
    batch.draw(shard, .time)
    let (model, x, count) = (batch.model, batch.x, shard.rows.count)
    let (flow, velocity) = (batch.batch.rows(1, count), batch.batch.rows(2, count))
    batch.findRates()
    batch.wanted(shard, tape, into: flow)
    batch.velocity(flow, into: velocity)
    let pass = batch.forward(shard, tape)
    let moved = tape.withoutRecording { batch.tangentAlong(velocity, pass, tape) }
    // u_θ − u⁻ − dX⁻/dt = gain (F_θ − F⁻) − dX⁻/dt, where u's factor of F is `gain`.
    let (gains, rest) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: batch.dimension))
    batch.weights.removeAll(keepingCapacity: true)
    for i in 0..<count {
      let (m, end) = (batch.from[i].moments, batch.to[i].moments)
      let rate = batch.rates[i].map(model, from: m, to: end)
      let c = model.mapCoefficients(from: m, to: end)
      let gain = batch.isDiagonal[i] ? -rate.output : -c.output / (batch.from[i].time - batch.to[i].time)
      gains.values[i] = Float(gain)
      var square = 0.0
      for j in 0..<batch.dimension {
        let f = Double(pass.output[i, j])
        let change =
          rate.skip * x[i, j] + c.skip * velocity[i, j] + rate.output * f + c.output * Double(moved?[i, j] ?? 0)
        square += change * change
        rest[i, j] = Float(-gain * f - change)
      }
      batch.weights.append(1 / (pow(square + offset, power) * Double(shard.batch)))
    }
    let error = tape.sum(1, tape.scaleRows(pass.output, by: gains), 1, rest)
    return RowLoss.squared.loss(error, weights: batch.weights, on: tape)
  }
}
