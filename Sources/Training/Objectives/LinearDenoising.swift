// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Tensors

/// Denoising score matching of a linear process with matrices: with x_t = Φ E x_0 + L z the mean over rows of
/// ‖L_ttᵀ s_tail(x_t, t) + z_tail‖² / D_tail = ‖F − z_tail‖² / D_tail. What is drawn at t = 0 apart from the data, as velocities are, is
/// part of z: hybrid score matching (Dockhorn et al. 2022). With `edm` prediction the mean is of ‖F − R⁻¹ (z_tail − K x)‖²/D_tail, whose
/// target has unit variance at every noise level.
package struct LinearDenoising: TrainingObjective {
  let network: LinearNetworkScore

  package var score: any LearnedScore { network }
  package var needsTangents: Bool { false }

  package init(network: LinearNetworkScore) {
    self.network = network
  }

  package func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let score: LinearNetworkScore
    private let seed: UInt64
    private let noise, data, state, wanted, scaled: RowStorage

    init(_ objective: LinearDenoising, rows: Int, seed: UInt64) {
      score = objective.network
      self.seed = seed
      let (dimension, blocks) = (score.network.dimension, score.blocks)
      noise = RowStorage(RowSpan(first: 0, count: rows, dimension: dimension))
      state = RowStorage(RowSpan(first: 0, count: 1, dimension: dimension))
      let tail = RowSpan(first: 0, count: 1, dimension: score.network.outputDimension)
      (wanted, scaled) = (RowStorage(tail), RowStorage(tail))
      data = RowStorage(RowSpan(first: 0, count: 1, dimension: dimension / blocks * score.dataBlocks))
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (rows, dimension, tail) = (shard.rows, score.network.dimension, score.network.outputDimension)
      let (x, x0, width) = (state.rows, data.rows, dimension / score.blocks)
      let z = noise.view(of: rows)
      NoiseStream(seed: seed, purpose: .trainingNoise).normals(into: z, step: shard.step)
      let noiseLevel = tape.constant(rows: rows.count, columns: 1)
      let weight = tape.constant(rows: rows.count, columns: 1)
      let input = tape.constant(rows: rows.count, columns: dimension)
      let target = tape.constant(rows: rows.count, columns: tail)
      for i in 0..<rows.count {
        let t = shard.times[i]
        let c = score.coefficients(at: t)
        for j in 0..<x0.dimension { x0.values[j] = Double(shard.data[i * x0.dimension + j]) }
        x.fill(0)
        x.add(c.map, x0, times: 1)
        x.add(c.root, z.row(i), times: 1)
        for j in 0..<dimension { input.values[i * dimension + j] = Float(c.input[j / width] * x.values[j]) }
        let (goal, result) = (wanted.rows, scaled.rows)
        for j in 0..<tail { goal.values[j] = z[i, dimension - tail + j] }
        if let guess = c.guess {
          goal.add(guess, x, times: -1)
          result.fill(0)
          result.add(c.residual.lowerInverse, goal, times: 1)
          goal.copy(result)
        }
        for j in 0..<tail { target.values[i * tail + j] = Float(goal.values[j]) }
        noiseLevel.values[i] = Float(score.noiseLevel(c.noise, at: t))
        weight.values[i] = Float(1 / Double(shard.batch * tail))
      }
      let output = score.network.forward(
        input, noiseLevel: noiseLevel, second: nil, condition: shard.classes, on: tape)
      return tape.weightedSquares(tape.sum(1, output, -1, target), by: weight)
    }
  }
}
