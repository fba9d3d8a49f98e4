// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Tensors

/// Consistency distillation (Song et al. 2023, arXiv 2303.01469, algorithm 2): with n uniform among the intervals of a
/// grid, x at its upper time, x̂ what the teacher's flow makes of it at the lower time, and f(x, t) = X_{t→ε}(x), the
/// mean over rows of
///
///     φ(‖f_θ(x, t_{n+1}) − f_θ⁻(x̂, t_n)‖²).
///
/// θ⁻ is the trained parameters without a gradient (Song and Dhariwal 2024), or their average. Rounding and the
/// teacher's steps aside it is 0 for the flow's own map. The paper takes one step of Heun's an interval and 18 to 120
/// of these; with an exact teacher, few intervals of several steps learn sooner, as what is learned at ε has to travel
/// over fewer of them.
public struct ConsistencyDistillation: Objective {
  /// Whose parameters the target has.
  public enum Target: String, Sendable, CaseIterable {
    /// Those that are trained, without a gradient.
    case own
    /// Their moving average.
    case average
  }

  /// The network with its conventions.
  public let model: ScoreModel
  /// Whose flow is learned.
  public let teacher: Teacher
  /// The teacher's steps in an interval.
  public let steps: TeacherSteps
  /// φ
  public let loss: RowLoss
  /// θ⁻
  public let target: Target
  public let times: TrainingTimes
  private let grid: NoiseGrid

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }
  public var frozen: [FrozenParameters] {
    teacher.frozen + (target == .average ? [FrozenParameters(Self.average, network, .average)] : [])
  }
  private static let average = "average"

  /// - Parameters:
  ///   - model: with a scalar kernel; its parameters are not used.
  ///   - teacher: whose flow is learned.
  ///   - end: ε, to which the network maps.
  ///   - intervals: N of the grid, equal steps of σ̃^{1/ρ}.
  ///   - rho: ρ
  ///   - steps: the teacher's in an interval.
  ///   - loss: φ
  ///   - target: θ⁻
  ///   - times: the trainer draws times by it, which this objective does not read: rows are at nodes of its grid.
  public init(
    _ model: ScoreModel, teacher: Teacher, to end: Double, intervals: Int, rho: Double = 7,
    steps: TeacherSteps = TeacherSteps(.heun), loss: RowLoss = .squared, target: Target = .own, times: TrainingTimes
  ) {
    (self.model, self.teacher, self.steps, self.loss) = (model, teacher, steps, loss)
    (self.target, self.times) = (target, times)
    grid = NoiseGrid(model, from: end, intervals: intervals, parts: steps.parts, rho: rho)
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: ConsistencyDistillation
    private let batch: FewStepBatch
    private let teacher: TeacherEvaluator
    private var chosen: [Int] = []
    private var upper: [NoiseNode] = []
    private var lower: [NoiseNode] = []
    private var weights: [Double] = []

    init(_ objective: ConsistencyDistillation, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = FewStepBatch(objective.model, rows: rows, seed: seed)
      teacher = TeacherEvaluator(objective.teacher, rows: rows, dimension: objective.dataDimension)
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (grid, count) = (objective.grid, shard.rows.count)
      let (u, z) = (batch.uniforms(shard), batch.normals(shard))
      chosen.refill(count) { min(Int(u[$0, 0] * Double(grid.intervals)), grid.intervals - 1) }
      upper.refill(count) { grid[chosen[$0] + 1] }
      lower.refill(count) { grid[chosen[$0]] }
      weights.refill(count) { _ in 1 / Double(shard.batch) }
      let (x, later) = (batch.rows(0, count), batch.rows(1, count))
      batch.perturb(shard, z, at: upper, into: x)
      later.copy(x)
      objective.steps.advance(later, over: chosen, of: grid, teacher, batch, memory: 2, shard, tape)
      batch.map(later, from: lower, to: grid.end, under: shard.frozen[average], shard, tape, into: later)
      let error = batch.error(x, from: upper, to: grid.end, target: later, shard, tape)
      return objective.loss.loss(error, weights: weights, on: tape)
    }

    private var average: String { ConsistencyDistillation.average }
  }
}
