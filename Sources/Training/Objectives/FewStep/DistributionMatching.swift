// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Models
import Networks
import Tensors

/// Distribution matching distillation (Luo et al. 2023, Diff-Instruct, arXiv 2305.18455; Yin et al. 2024, DMD2, arXiv
/// 2405.14867): a map in a few steps whose samples together have the law of the teacher's; where a single row ends is
/// free. With x̂ = X_{t→ε}(x_t)/m(ε) of the student, x_u = m x̂ + σ w at a time u of the law of times, and the denoisers
/// D of the teacher and D_φ of the student's own samples, the gradient of the Kullback-Leibler divergence between both
/// laws of x_u is, but for a weight of each row, that of the first term of
///
///     ½ ‖x̂ − (x̂ − (D_φ(x_u, u) − D(x_u, u))/c)‖²/D + ‖F_φ(x_u, u) − F*‖²/D,   c = ‖x̂ − D(x_u, u)‖₁/D,
///
/// where no gradient flows through what is in brackets, and the second term is denoising score matching, which teaches
/// the companion (`CompanionNetwork`) D_φ: F is the network's output, and F* that of D = x̂.
///
/// A row begins at one of the N times where the N steps of sampling begin. At the first one x_t = m x_0 + σ z; at later
/// ones it is what the student's own earlier steps make of that, with noise added, as in sampling (DMD2, section 4.5).
/// As in the papers, x̂ is taken for data without noise, where it stands for a state at ε.
public struct DistributionMatching: Objective {
  /// The network with its conventions: of a `CompanionNetwork`.
  public let model: ScoreModel
  /// Whose law is learned.
  public let teacher: Teacher
  /// How many steps of the companion are taken for one of the student.
  public let every: Int
  public let times: TrainingTimes
  /// The times where steps begin, from T down.
  private let starts: [NoiseNode]
  /// ε, as one of all rows.
  private let end: [NoiseNode]
  private let companion: CompanionNetwork

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }
  public var frozen: [FrozenParameters] { teacher.frozen }

  /// - Parameters:
  ///   - model: of a `CompanionNetwork` with a scalar kernel; its parameters are not used.
  ///   - teacher: whose law is learned.
  ///   - end: ε, to which the network maps.
  ///   - starts: the times where steps begin, falling from T.
  ///   - every: steps of the companion for one of the student, at least 1.
  ///   - times: the law of u.
  public init(
    _ model: ScoreModel, teacher: Teacher, to end: Double, from starts: [Double], every: Int = 1, times: TrainingTimes
  ) {
    guard let companion = model.network as? CompanionNetwork else {
      preconditionFailure("a network with a companion")
    }
    precondition(!starts.isEmpty && every > 0, "at least one step")
    (self.model, self.teacher, self.every, self.times) = (model, teacher, every, times)
    (self.starts, self.end) = (starts.map { NoiseNode(model, at: $0) }, [NoiseNode(model, at: end)])
    self.companion = companion
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: DistributionMatching
    private let batch: FewStepBatch
    private let teacher: TeacherEvaluator
    /// Of noise between steps, and of the samples that both denoisers see.
    private let again, levels: NoiseStream
    /// Where each row's step begins, and the noise level u of its sample.
    private var from: [NoiseNode] = []
    private var upper: [NoiseNode] = []

    init(_ objective: DistributionMatching, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = FewStepBatch(objective.model, rows: rows, seed: seed)
      teacher = TeacherEvaluator(objective.teacher, rows: rows, dimension: objective.dataDimension)
      again = NoiseStream(seed: seed, purpose: .renewal)
      levels = NoiseStream(seed: seed, purpose: .matchedNoise)
    }

    /// The step, from 0, that a row of the batch takes.
    private func place(_ row: Int) -> Int { row % objective.starts.count }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (model, count, dimension) = (objective.model, shard.rows.count, objective.dataDimension)
      let (x, made, later) = (batch.rows(0, count), batch.rows(1, count), batch.rows(2, count))
      begin(x, made, shard, tape)
      from.refill(count) { objective.starts[place(shard.rows.lowerBound + $0)] }
      // Where the companion alone learns nobody asks for the map's derivatives.
      let learns = shard.step % objective.every == 0
      func map() -> Tensor { model.output(x, at: from, to: objective.end, told: shard.condition, on: tape) }
      let output = learns ? map() : tape.withoutRecording(map)
      let (factors, rest) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: dimension))
      for i in 0..<count {
        let c = model.mapCoefficients(from: from[i].moments, to: objective.end[0].moments)
        let scale = 1 / objective.end[0].moments.scale
        factors.values[i] = Float(scale * c.output)
        for j in 0..<dimension {
          made[i, j] = scale * (c.skip * x[i, j] + c.output * Double(output[i, j]))
        }
      }
      // Both denoisers see the same noise.
      upper.refill(count) { NoiseNode(model, at: shard.times[$0]) }
      let noise = batch.storage(3).view(of: shard.rows)
      levels.normals(into: noise, step: shard.step)
      for i in 0..<count {
        let (m, row) = (upper[i].moments, later.row(i))
        ck_combine(row.values, m.scale, made.row(i).values, m.deviation, noise.row(i).values, dimension)
      }
      let real = batch.rows(4, count)
      teacher.denoised(later, at: upper, shard, tape, into: real)
      let own = objective.companion.withCompanion(on: tape) {
        model.output(later, at: upper, to: upper, told: shard.condition, on: tape)
      }
      let (weights, goals) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: dimension))
      let share = 1 / Double(shard.batch * dimension)
      for i in 0..<count {
        let d = model.prediction.denoiser(upper[i].moments, dataDeviation: model.dataDeviation)
        var distance = 0.0
        for j in 0..<dimension { distance += abs(made[i, j] - real[i, j]) }
        // Where a sample is what the teacher makes of it there is nothing to mend.
        let scale = distance > 0 ? Double(dimension) / distance : 0
        weights.values[i] = Float(0.5 * share)
        for j in 0..<dimension {
          let denoised = d.skip * later[i, j] + d.output * Double(own[i, j])
          goals.values[i * dimension + j] = Float((made[i, j] - d.skip * later[i, j]) / d.output)
          rest.values[i * dimension + j] = Float(
            scale * (denoised - real[i, j]) - Double(factors.values[i]) * Double(output[i, j]))
        }
      }
      let matching = tape.weightedSquares(
        tape.sum(1, tape.scaleRows(output, by: factors), 1, rest), by: weights)
      let even = tape.constant(rows: count, columns: 1)
      for i in 0..<count { even.values[i] = Float(share) }
      return tape.sum(1, matching, 1, tape.weightedSquares(tape.sum(1, own, -1, goals), by: even))
    }

    /// Writes the states where rows begin their steps.
    private func begin(_ x: Rows, _ memory: Rows, _ shard: TrainingShard, _ tape: Tape) {
      let (count, starts) = (x.count, objective.starts)
      from.refill(count) { _ in starts[0] }
      batch.perturb(shard, batch.normals(shard), at: from, into: x)
      for step in 1..<max(1, starts.count) {
        let (r, q) = objective.end[0].moments.transition(to: starts[step].moments)
        from.refill(count) { starts[min(step - 1, place(shard.rows.lowerBound + $0))] }
        batch.map(x, from: from, to: objective.end, under: nil, shard, tape, into: memory)
        let noise = batch.storage(3).view(of: shard.rows)
        again.normals(into: noise, step: shard.step * starts.count + step)
        for i in 0..<count where place(shard.rows.lowerBound + i) >= step {
          let row = x.row(i)
          ck_combine(row.values, r, memory.row(i).values, q.squareRoot(), noise.row(i).values, row.size)
        }
      }
    }
  }
}

extension Purpose {
  /// Noise between the steps of a student, while it is trained.
  static let renewal = Purpose(rawValue: 35)
  /// The noise of samples whose law is matched.
  static let matchedNoise = Purpose(rawValue: 36)
}
