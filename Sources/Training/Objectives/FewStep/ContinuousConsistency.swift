// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Processes
import Tensors

/// Continuous-time consistency models, sCM (Lu and Song 2024, arXiv 2410.11081, algorithm 1). In the coordinates
/// x̂ = σ_d x/√(m² σ_d² + σ²) and τ = arctan(σ̃/σ_d), in which a state is cos τ x_0 + sin τ σ_d z, the map is
/// f(x̂, τ) = cos δ x̂ + sin δ σ_d F with δ = τ − τ_ε, and the loss is the mean over rows of
///
///     ‖F_θ − F_θ⁻ + g/(‖g‖ + c)‖²/D,
///     g = cos δ (cos δ (dx̂/dτ + σ_d F_θ⁻) + r sin δ (σ_d dF_θ⁻/dτ − x̂)),
///
/// where g is cos δ df_θ⁻/dτ but for the warm-up r = min(1, k/H), and dF/dτ the derivative along dx̂/dτ: the teacher's
/// flow (sCD), or cos τ σ_d z − sin τ x_0 (sCT). The network F is that of `edm` prediction, which is minus the paper's.
///
/// The paper's τ_ε is 0. Of a `WeightedNetwork`, whose weight is the paper's w_φ, the loss is the mean of
/// e^{w} ‖·‖²/D − w.
public struct ContinuousConsistency: Objective {
  /// The network with its conventions.
  public let model: ScoreModel
  /// Whose flow is learned; nil: the data's own.
  public let teacher: Teacher?
  /// c
  public let normalisation: Double
  /// H
  public let warmup: Int
  public let times: TrainingTimes
  /// ε, as one of all rows.
  private let end: [NoiseNode]
  /// The process's a and g.
  private let process: any AffineSDE

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }
  public var frozen: [FrozenParameters] { teacher?.frozen ?? [] }
  public var needsTangents: Bool { true }

  /// - Parameters:
  ///   - model: of `edm` prediction with a scalar kernel; its parameters are not used.
  ///   - process: with a scalar diffusion, which gives the rate of noise levels.
  ///   - teacher: whose flow is learned; nil: the data's own.
  ///   - end: ε, to which the network maps.
  ///   - normalisation: c, above 0.
  ///   - warmup: H, at least 0.
  ///   - times: the law of t.
  public init(
    _ model: ScoreModel, process: PreparedProcess, teacher: Teacher?, to end: Double, normalisation: Double = 0.1,
    warmup: Int, times: TrainingTimes
  ) {
    precondition(model.prediction == .edm && !model.network.takesRawInput, "a network of edm prediction")
    guard let affine = process.sde as? any AffineSDE else { preconditionFailure("a process of scalars") }
    (self.model, self.process, self.teacher) = (model, affine, teacher)
    (self.normalisation, self.warmup, self.times) = (normalisation, warmup, times)
    self.end = [NoiseNode(model, at: end)]
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: ContinuousConsistency
    private let batch: FewStepBatch
    private let teacher: TeacherEvaluator?
    private var nodes: [NoiseNode] = []
    /// τ of each row, and ln σ̃.
    private var angles: [Double] = []
    private var logRatios: [Double] = []
    private var g: [Double] = []

    init(_ objective: ContinuousConsistency, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = FewStepBatch(objective.model, rows: rows, seed: seed)
      teacher = objective.teacher.map { TeacherEvaluator($0, rows: rows, dimension: objective.dataDimension) }
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (model, count, dimension) = (objective.model, shard.rows.count, objective.dataDimension)
      let deviation = model.dataDeviation
      nodes.refill(count) { NoiseNode(model, at: shard.times[$0]) }
      let (z, x, noise) = (batch.normals(shard), batch.rows(0, count), batch.rows(1, count))
      batch.perturb(shard, z, at: nodes, into: x)
      teacher?.noise(x, at: nodes, shard, tape, into: noise)
      let (input, along) = (
        tape.constant(rows: count, columns: dimension), tape.constant(rows: count, columns: dimension)
      )
      let rates = tape.constant(rows: count, columns: 1)
      angles.refill(count) { atan2(nodes[$0].ratio, deviation) }
      for i in 0..<count {
        let (node, factor) = (nodes[i], model.scalarCoefficients(nodes[i].moments).input)
        let (cosine, sine) = (cos(angles[i]), sin(angles[i]))
        // d ln σ̃/dτ = 1/(sin τ cos τ)
        rates.values[i] = Float(model.levelRate(node, objective.process) / (sine * cosine))
        for j in 0..<dimension {
          let data: Double
          let drawn: Double
          if teacher == nil {
            (data, drawn) = (Double(shard.data[i * dimension + j]), z[i, j])
          } else {
            drawn = noise[i, j]
            data = (x[i, j] - node.moments.deviation * drawn) / node.moments.scale
          }
          input[i, j] = Float(factor * x[i, j])
          along[i, j] = Float(cosine * drawn - sine * data / deviation)
        }
      }
      let (state, level) = (tape.variable(input), tape.variable(model.levels(of: nodes, on: tape)))
      let output = model.network.forward(
        state, noiseLevel: level, second: model.secondLevels(of: objective.end, on: tape), condition: shard.condition,
        on: tape)
      let moved = tape.withoutRecording { tape.tangent(of: output, along: (state, along), (level, rates)) }
      let target = tape.constant(rows: count, columns: dimension)
      let weights = tape.constant(rows: count, columns: 1)
      weights.values.update(repeating: Float(1 / Double(shard.batch * dimension)), count: count)
      let warmth = objective.warmup == 0 ? 1 : min(1, Double(shard.step) / Double(objective.warmup))
      let start = atan2(objective.end[0].ratio, deviation)
      g.refill(dimension) { _ in 0 }
      for i in 0..<count {
        let (cosine, sine) = (cos(angles[i] - start), sin(angles[i] - start))
        var square = 0.0
        for j in 0..<dimension {
          let (f, df) = (Double(output[i, j]), Double(moved?[i, j] ?? 0))
          g[j] =
            deviation * cosine
            * (cosine * (Double(along[i, j]) + f) + warmth * sine * (df - Double(input[i, j])))
          square += g[j] * g[j]
        }
        let scale = 1 / (square.squareRoot() + objective.normalisation)
        for j in 0..<dimension { target[i, j] = Float(Double(output[i, j]) - scale * g[j]) }
      }
      let error = tape.sum(1, output, -1, target)
      guard let weighted = model.network as? WeightedNetwork else { return tape.weightedSquares(error, by: weights) }
      logRatios.refill(count) { log(nodes[$0].ratio) }
      return weighted.loss(error, logRatios: logRatios, batch: shard.batch, on: tape)
    }
  }
}

extension ScoreModel {
  /// d(noise level as the network is told it)/d ln σ̃, where d ln σ̃/dt = g²/(2 v).
  func levelRate(_ node: NoiseNode, _ process: any AffineSDE) -> Double {
    func time() -> Double {
      let g = process.diffusion(at: node.time)
      return 2 * node.moments.variance / (g * g)
    }
    switch network.noiseInput {
    case .logNoiseToSignal: return 1
    case .time: return 1000 / duration * time()
    case .discrete(let levels): return Double(levels) / duration * time()
    }
  }
}
