// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Models
import Networks
import Processes
import Tensors

/// Progressive distillation (Salimans and Ho 2022, arXiv 2202.00512, algorithm 2): a student learns to do in one step
/// of DDIM what its teacher does in two, becomes the teacher, and so on, until few steps are left. With t the upper
/// time of an interval of the student's grid, y = x/m, and y″ what two DDIM steps of the teacher y ← y + Δσ̃ ẑ make of
/// it at the interval's lower time, the mean over rows of
///
///     max(1/σ̃², 1) ‖D_θ(x, t) − D*‖²/D,   D* = y − σ̃_t (y″ − y)/(σ̃_{t″} − σ̃_t).
///
/// Stage k has N_k = max(N_0 2^{−k}, last) intervals, and its teacher is the trained average as the stage began: the
/// parameters that the training began with in the first one, unless another teacher is given for it. The last stage
/// lasts as long as the training does. The result is a denoiser for `ddim` with as many steps on the same grid.
public struct ProgressiveDistillation: Objective {
  /// How grids are spaced: N intervals are halves of N/2.
  public enum Spacing: String, Sendable, CaseIterable {
    /// Equal steps of t.
    case uniform
    /// Equal steps of ln(m/σ).
    case logSignalToNoise = "log-snr"

    /// The N + 1 times of N steps, rising.
    public func times(_ model: ScoreModel, from end: Double, steps count: Int) -> [Double] {
      let start = model.duration
      switch self {
      case .uniform:
        return (0...count).map { $0 == count ? start : end + (start - end) * Double($0) / Double(count) }
      case .logSignalToNoise:
        return model.kernel.times(equalInLogSignalToNoiseFrom: start, to: end, steps: count).reversed()
      }
    }
  }

  /// The network with its conventions.
  public let model: ScoreModel
  /// The teacher of the first stage; nil: the network as the training began.
  public let teacher: Teacher?
  /// N_0, a power of 2 times `last`.
  public let first: Int
  /// The student's steps in the last stage.
  public let last: Int
  /// Optimiser steps of a stage.
  public let stage: Int
  /// How grids are spaced.
  public let spacing: Spacing
  public let times: TrainingTimes
  private let end: Double

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }
  public var frozen: [FrozenParameters] {
    let snapshot = FrozenParameters(Self.before, network, .snapshot(every: stage, last: (stages - 1) * stage))
    return (teacher?.frozen ?? []) + [snapshot]
  }
  private static let before = "before"

  /// - Parameters:
  ///   - model: with a scalar kernel; its parameters are not used.
  ///   - teacher: of the first stage; nil: the network as the training began.
  ///   - end: ε, where grids end.
  ///   - first: N_0
  ///   - last: the student's steps in the last stage.
  ///   - stage: optimiser steps of a stage.
  ///   - spacing: of grids.
  ///   - times: the trainer draws times by it, which this objective does not read: rows are at nodes of its grid.
  public init(
    _ model: ScoreModel, teacher: Teacher?, to end: Double, first: Int, last: Int = 1, stage: Int,
    spacing: Spacing = .uniform, times: TrainingTimes
  ) {
    precondition(first >= last && last > 0 && stage > 0)
    (self.model, self.teacher, self.end, self.first) = (model, teacher, end, first)
    (self.last, self.stage, self.spacing, self.times) = (last, stage, spacing, times)
  }

  /// N_k at an optimiser step.
  public func intervals(at step: Int) -> Int { max(last, first >> min(step / stage, 40)) }

  /// How many stages there are: N_k falls until it is `last`.
  private var stages: Int { (0..<40).first { first >> $0 <= last }.map { $0 + 1 } ?? 41 }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: ProgressiveDistillation
    private let batch: FewStepBatch
    private let teacher: TeacherEvaluator?
    /// The teacher's nodes, rising: two intervals for one of the student.
    private var nodes: [NoiseNode] = []
    /// The node of each row's upper time, and the times of a step.
    private var places: [Int] = []
    private var upper: [NoiseNode] = []
    private var from: [NoiseNode] = []
    private var to: [NoiseNode] = []

    init(_ objective: ProgressiveDistillation, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = FewStepBatch(objective.model, rows: rows, seed: seed)
      teacher = objective.teacher.map { TeacherEvaluator($0, rows: rows, dimension: objective.dataDimension) }
    }

    private func makeNodes(_ count: Int) -> [NoiseNode] {
      let times = objective.spacing.times(objective.model, from: objective.end, steps: count)
      return times.map { NoiseNode(objective.model, at: $0) }
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (model, count, dimension) = (objective.model, shard.rows.count, objective.dataDimension)
      let intervals = objective.intervals(at: shard.step)
      if nodes.count != 2 * intervals + 1 { nodes = makeNodes(2 * intervals) }
      let u = batch.uniforms(shard)
      places.refill(count) { 2 * min(Int(u[$0, 0] * Double(intervals)), intervals - 1) + 2 }
      upper.refill(count) { nodes[places[$0]] }
      let (x, state, noise) = (batch.rows(0, count), batch.rows(1, count), batch.rows(2, count))
      batch.perturb(shard, batch.normals(shard), at: upper, into: x)
      state.copy(x)
      for step in 0..<2 {
        from.refill(count) { nodes[places[$0] - step] }
        to.refill(count) { nodes[places[$0] - step - 1] }
        predict(state, from, shard, tape, into: noise)
        for i in 0..<count {
          let (a, b, row) = (from[i], to[i], state.row(i))
          // m_b (x/m_a + Δσ̃ ẑ)
          ck_combine(
            row.values, b.moments.scale / a.moments.scale, row.values, b.moments.scale * (b.ratio - a.ratio),
            noise.row(i).values, row.size)
        }
      }
      let output = model.output(x, at: upper, told: shard.condition, on: tape)
      let (factors, rest) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: dimension))
      let weights = tape.constant(rows: count, columns: 1)
      for i in 0..<count {
        let (a, b) = (upper[i], nodes[places[i] - 2])
        let d = model.prediction.denoiser(a.moments, dataDeviation: model.dataDeviation)
        let slope = a.ratio / (b.ratio - a.ratio)
        factors.values[i] = Float(d.output)
        weights.values[i] = Float(max(1 / (a.ratio * a.ratio), 1) / Double(shard.batch * dimension))
        for j in 0..<dimension {
          let y = x[i, j] / a.moments.scale
          let target = y - slope * (state[i, j] / b.moments.scale - y)
          rest[i, j] = Float(d.skip * x[i, j] - target)
        }
      }
      return tape.weightedSquares(tape.sum(1, tape.scaleRows(output, by: factors), 1, rest), by: weights)
    }

    /// ẑ of the stage's teacher.
    private func predict(_ x: Rows, _ nodes: [NoiseNode], _ shard: TrainingShard, _ tape: Tape, into out: Rows) {
      if let teacher, shard.step < objective.stage { return teacher.noise(x, at: nodes, shard, tape, into: out) }
      guard let set = shard.frozen[ProgressiveDistillation.before] else { preconditionFailure("no snapshot") }
      let model = objective.model
      let output = tape.withoutRecording {
        tape.with(set) { model.output(x, at: nodes, told: shard.condition, on: tape) }
      }
      for i in 0..<x.count {
        let m = nodes[i].moments
        let d = model.prediction.denoiser(m, dataDeviation: model.dataDeviation)
        // (x − m D)/σ
        ck_combine_float(
          out.row(i).values, (1 - m.scale * d.skip) / m.deviation, x.row(i).values, -m.scale * d.output / m.deviation,
          output.values + i * x.dimension, x.dimension)
      }
    }
  }
}
