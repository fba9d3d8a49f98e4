// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Models
import Networks
import Processes
import Scores
import Tensors

/// Continuous-time denoising score matching (Vincent 2011; Song et al. 2021, eq. 7): with x_t = α x_0 + L z and t drawn
/// from [ε, T], the mean over rows of w(t) ‖L_ttᵀ s_tail(x_t, t) + z_tail‖²/D_tail, where the tail is what noise acts
/// on: for a scalar kernel w(t) ‖σ s + z‖²/D.
///
/// With the denoised D = (x + v s)/m it is σ s + z = (D − x_0)/σ̃, σ̃ = σ/m. EDM's λ = (σ̃² + σ_d²)/(σ̃ σ_d)² on
/// ‖D − x_0‖² is therefore w = λ σ̃² = 1 + σ̃²/σ_d², and what a network of `edm` prediction is wrong by counts 1 at
/// every noise level: c_out² λ = 1.
///
/// As s_tail = skip · x_t + out · F, this is a weighted regression of the network F on −(σ out)⁻¹ (z + σ skip x_t),
/// with weight w (σ out)². Where the kernel has matrices, what is drawn at t = 0 apart from the data, as velocities
/// are, is part of z: hybrid score matching (Dockhorn et al. 2022).
public struct DenoisingScoreMatching: Objective {
  /// The network with its conventions.
  public let model: ScoreModel
  /// The process with its kernel.
  public let process: PreparedProcess
  /// w(t) of the loss.
  public let weighting: Weighting
  public let times: TrainingTimes

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }

  /// - Parameters:
  ///   - model: its kernel is the process's; its parameters are not used.
  ///   - process: gives g(t) to weightings that ask for it.
  ///   - weighting: where the kernel has matrices, `edm` for a model of `edm` prediction and `uniform` for others.
  ///   - times: the law of t.
  public init(_ model: ScoreModel, process: PreparedProcess, weighting: Weighting = .uniform, times: TrainingTimes) {
    precondition(
      model.kernel.isScalar || weighting == (model.prediction == .edm ? .edm : .uniform), "the prediction's weighting")
    self.model = model
    self.process = process
    self.weighting = weighting
    self.times = times
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: DenoisingScoreMatching
    private let model: ScoreModel
    private let seed: UInt64
    private let noise: RowStorage
    private var coefficients: [Double]
    /// A state, its data, and its target before and after scaling; for matrices.
    private let state, data, wanted, scaled: RowStorage

    init(_ objective: DenoisingScoreMatching, rows: Int, seed: UInt64) {
      self.objective = objective
      model = objective.model
      self.seed = seed
      func row(_ dimension: Int) -> RowStorage { RowStorage(RowSpan(first: 0, count: 1, dimension: dimension)) }
      let dimension = model.network.dimension
      noise = RowStorage(RowSpan(first: 0, count: rows, dimension: dimension))
      coefficients = Array(repeating: 0, count: 4 * rows)
      (state, data) = (row(dimension), row(model.dataDimension))
      (wanted, scaled) = (row(model.network.outputDimension), row(model.network.outputDimension))
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (rows, dimension, tail) = (shard.rows, model.network.dimension, model.network.outputDimension)
      let noiseLevel = tape.constant(rows: rows.count, columns: 1)
      let weight = tape.constant(rows: rows.count, columns: 1)
      let z = noise.view(of: rows)
      NoiseStream(seed: seed, purpose: .trainingNoise).normals(into: z, step: shard.step)
      let input = tape.constant(rows: rows.count, columns: dimension)
      let target = tape.constant(rows: rows.count, columns: tail)
      let (scale, kernel) = (1 / Double(shard.batch * tail), model.kernel)
      for i in 0..<rows.count {
        let t = shard.times[i]
        let moments = kernel.moments(at: t)
        noiseLevel.values[i] = Float(model.noiseLevel(moments, at: t))
        switch model.coefficients(moments) {
        case .scalar(let c): weight.values[i] = Float(scale * perturb(i, c, moments, at: t))
        case .blocks(let c):
          perturb(i, c, shard.data, z, input, target)
          weight.values[i] = Float(scale)
        }
      }
      if model.kernel.isScalar {
        ck_perturb(
          input.values, target.values, shard.data.baseAddress!, z.values, coefficients, rows.count, dimension)
      }
      let output = model.network.forward(
        input, noiseLevel: noiseLevel, second: nil, condition: shard.condition, on: tape)
      return tape.weightedSquares(tape.sum(1, output, -1, target), by: weight)
    }

    /// Row i's input a x_0 + b z and target c x_0 + d z; returns w (σ out)².
    private func perturb(_ i: Int, _ p: Prediction.Coefficients, _ moments: Moments, at t: Double) -> Double {
      let (m, sigma) = (moments.scale, moments.deviation)
      let gain = sigma * p.output
      (coefficients[4 * i], coefficients[4 * i + 1]) = (p.input * m, p.input * sigma)
      coefficients[4 * i + 2] = -sigma * p.skip * m / gain
      coefficients[4 * i + 3] = -(1 + moments.variance * p.skip) / gain
      let factor = objective.weighting.factor(
        moments, diffusion: { objective.process.scalarDiffusion(at: t) }, model.dataDeviation)
      return gain * gain * factor
    }

    /// Row i's input S x_t and target R⁻¹ (z_tail − K x_t).
    private func perturb(
      _ i: Int, _ c: BlockCoefficients, _ given: UnsafeMutableBufferPointer<Float>, _ z: Rows, _ input: Tensor,
      _ target: Tensor
    ) {
      let (x, x0, goal, result) = (state.rows, data.rows, wanted.rows, scaled.rows)
      let (dimension, tail, width) = (x.dimension, goal.dimension, x.dimension / c.input.count)
      for j in 0..<x0.dimension { x0.values[j] = Double(given[i * x0.dimension + j]) }
      x.fill(0)
      x.add(c.map, x0, times: 1)
      x.add(c.root, z.row(i), times: 1)
      for j in 0..<dimension { input.values[i * dimension + j] = Float(c.input[j / width] * x.values[j]) }
      for j in 0..<tail { goal.values[j] = z[i, dimension - tail + j] }
      if let guess = c.guess {
        goal.add(guess, x, times: -1)
        result.fill(0)
        result.add(c.residual.lowerInverse, goal, times: 1)
        goal.copy(result)
      }
      for j in 0..<tail { target.values[i * tail + j] = Float(goal.values[j]) }
    }
  }
}
