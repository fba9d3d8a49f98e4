// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Processes
import Tensors

/// What objectives with coupled ends share: the regression of the score that a network stands for on one that is known
/// given both ends, as a weighted mean over times, pairs and noise,
///
///     w(t) ‖S(x_t, t) − S*‖²/D,   x_t = a₀ x₀ + a₁ x_T + a₂ w,   S* = b₀ x₀ + b₁ x_T + b₂ w,
///
/// with w standard normal. As S = skip · x + out · F it is one of F on (S* − skip · x)/out, of weight w(t) out².
package struct CoupledRegression: Sendable {
  /// The factors of x₀, x_T and noise in the state and in the score, and the weight, at one time.
  package struct Point {
    package let state, score: (data: Double, end: Double, noise: Double)
    package let weight: Double
  }

  let model: ScoreModel
  let ends: CoupledEnds
  /// The point of a time with these moments.
  package let point: @Sendable (_ time: Double, _ moments: Moments) -> Point

  final class Worker: ObjectiveWorker {
    private let regression: CoupledRegression
    private let seed: UInt64
    private let ends, noise: RowStorage

    init(_ regression: CoupledRegression, rows: Int, seed: UInt64) {
      self.regression = regression
      self.seed = seed
      let span = RowSpan(first: 0, count: rows, dimension: regression.model.network.dimension)
      (ends, noise) = (RowStorage(span), RowStorage(span))
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (model, rows) = (regression.model, shard.rows)
      let dimension = model.network.dimension
      let (end, w) = (ends.view(of: rows), noise.view(of: rows))
      regression.ends.write(shard, seed: seed, into: end)
      NoiseStream(seed: seed, purpose: .interpolantNoise).normals(into: w, step: shard.step)
      let noiseLevel = tape.constant(rows: rows.count, columns: 1)
      let weight = tape.constant(rows: rows.count, columns: 1)
      let input = tape.constant(rows: rows.count, columns: dimension)
      let target = tape.constant(rows: rows.count, columns: dimension)
      let scale = 1 / Double(shard.batch * dimension)
      for i in 0..<rows.count {
        let t = shard.times[i]
        let moments = model.kernel.moments(at: t)
        let c = model.scalarCoefficients(moments)
        let p = regression.point(t, moments)
        noiseLevel.values[i] = Float(model.noiseLevel(moments, at: t))
        weight.values[i] = Float(scale * p.weight * c.output * c.output)
        for j in 0..<dimension {
          let (x0, xT, z) = (Double(shard.data[i * dimension + j]), end[i, j], w[i, j])
          let x = p.state.data * x0 + p.state.end * xT + p.state.noise * z
          let score = p.score.data * x0 + p.score.end * xT + p.score.noise * z
          input.values[i * dimension + j] = Float(c.input * x)
          target.values[i * dimension + j] = Float((score - c.skip * x) / c.output)
        }
      }
      let output = model.network.forward(
        input, noiseLevel: noiseLevel, second: nil, condition: shard.condition, on: tape)
      return tape.weightedSquares(tape.sum(1, output, -1, target), by: weight)
    }
  }
}
