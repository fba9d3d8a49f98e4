// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Models
import Networks
import Processes
import Tensors

/// Continuous-time denoising score matching (Vincent 2011; Song et al. 2021, eq. 7): with x_t = m x_0 + σ z and
/// t drawn from [ε, T], the mean over rows of w(t) ‖σ s(x_t, t) + z‖² / D, where w is the weighting.
///
/// With the denoised D = (x + v s)/m it is σ s + z = (D − x_0)/σ̃, σ̃ = σ/m. EDM's λ = (σ̃² + σ_d²)/(σ̃ σ_d)² on
/// ‖D − x_0‖² is therefore w = λ σ̃² = 1 + σ̃²/σ_d², and what a network of `edm` prediction is wrong by counts 1 at
/// every noise level: c_out² λ = 1.
///
/// As s = skip · x_t + out · F, this is a weighted regression of the network F on
/// −(z + σ skip x_t)/(σ out), with weight w (σ out)².
package struct DenoisingScoreMatching: TrainingObjective {
  let process: any AffineSDE
  let network: NetworkScore
  let weighting: TrainingPlan.Weighting

  package var score: any LearnedScore { network }
  package var needsTangents: Bool { false }

  /// What a row needs at time t: input and target as combinations of x_0 and z, and its weight.
  struct Row {
    /// input = a x_0 + b z, target = c x_0 + d z
    let a, b, c, d: Double
    let weight: Double
    let moments: Moments
  }

  func row(at t: Double) -> Row {
    let moments = network.kernel.moments(at: t)
    let (m, sigma) = (moments.scale, moments.deviation)
    let p = network.coefficients(moments)
    let gain = sigma * p.output
    let weight =
      gain * gain * weighting.factor(moments, diffusion: { process.diffusion(at: t) }, network.dataDeviation)
    return Row(
      a: p.input * m, b: p.input * sigma, c: -sigma * p.skip * m / gain, d: -(1 + moments.variance * p.skip) / gain,
      weight: weight, moments: moments)
  }

  package init(process: any AffineSDE, network: NetworkScore, weighting: TrainingPlan.Weighting) {
    self.process = process
    self.network = network
    self.weighting = weighting
  }

  package func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: DenoisingScoreMatching
    private let seed: UInt64
    private let noise: RowStorage
    private var coefficients: [Double]

    init(_ objective: DenoisingScoreMatching, rows: Int, seed: UInt64) {
      self.objective = objective
      self.seed = seed
      noise = RowStorage(RowSpan(first: 0, count: rows, dimension: objective.network.network.dimension))
      coefficients = Array(repeating: 0, count: 4 * rows)
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (score, rows, dimension) = (objective.network, shard.rows, objective.network.network.dimension)
      let noiseLevel = tape.constant(rows: rows.count, columns: 1)
      let weight = tape.constant(rows: rows.count, columns: 1)
      let scale = 1 / Double(shard.batch * dimension)
      for i in 0..<rows.count {
        let row = objective.row(at: shard.times[i])
        (coefficients[4 * i], coefficients[4 * i + 1]) = (row.a, row.b)
        (coefficients[4 * i + 2], coefficients[4 * i + 3]) = (row.c, row.d)
        noiseLevel.values[i] = Float(score.noiseLevel(row.moments, at: shard.times[i]))
        weight.values[i] = Float(scale * row.weight)
      }
      let z = noise.view(of: rows)
      NoiseStream(seed: seed, purpose: .trainingNoise).normals(into: z, step: shard.step)
      let input = tape.constant(rows: rows.count, columns: dimension)
      let target = tape.constant(rows: rows.count, columns: dimension)
      ck_perturb(
        input.values, target.values, shard.data.baseAddress!, z.values, coefficients, rows.count, dimension)
      let output = score.network.forward(
        input, noiseLevel: noiseLevel, second: nil, condition: shard.classes, on: tape)
      return tape.weightedSquares(tape.sum(1, output, -1, target), by: weight)
    }
  }
}
