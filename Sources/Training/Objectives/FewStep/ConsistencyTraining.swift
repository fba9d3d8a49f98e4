// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Tensors

/// Improved consistency training, iCT (Song and Dhariwal 2024, arXiv 2310.14189): without a teacher, from two noised
/// states of the same x_0 and z, the mean over rows of
///
///     λ(n) φ(‖f_θ(x_{t_{n+1}}, t_{n+1}) − f_θ⁻(x_{t_n}, t_n)‖²),   λ(n) = 1/(σ̃_{n+1} − σ̃_n),
///
/// with f(x, t) = X_{t→ε}(x), θ⁻ the trained parameters without a gradient, and φ(u) = √(u + c²) − c. The interval n is
/// the one that the trainer's time lies in, so that log-normal noise levels give the paper's discretised log-normal;
/// the grid has N(k) = min(s_0 2^{⌊k/K′⌋}, s_1) intervals at step k, at equal steps of σ̃^{1/ρ}.
///
/// K′ is an option, where the paper takes it from the number of steps: a training that is longer then begins as a
/// shorter one does.
public struct ConsistencyTraining: Objective {
  /// How the grid grows.
  public struct Curriculum: Sendable, Equatable {
    /// s_0 and s_1.
    public let first, largest: Int
    /// K′
    public let doubling: Int

    /// s_0 intervals that double every K′ steps, up to s_1.
    public init(first: Int = 10, largest: Int = 1280, doubling: Int) {
      precondition(first > 0 && largest >= first && doubling > 0)
      (self.first, self.largest, self.doubling) = (first, largest, doubling)
    }

    /// N(k)
    public func intervals(at step: Int) -> Int {
      let doublings = min(step / doubling, 40)
      return first > largest >> doublings ? largest : first << doublings
    }
  }

  /// The network with its conventions.
  public let model: ScoreModel
  /// N(k)
  public let curriculum: Curriculum
  /// φ
  public let loss: RowLoss
  public let times: TrainingTimes
  private let end, rho: Double

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }

  /// - Parameters:
  ///   - model: with a scalar kernel; its parameters are not used.
  ///   - end: ε, to which the network maps.
  ///   - curriculum: N(k)
  ///   - rho: ρ
  ///   - loss: φ; the paper's c is 0.00054 √D.
  ///   - times: the law that intervals are drawn by.
  public init(
    _ model: ScoreModel, to end: Double, curriculum: Curriculum, rho: Double = 7, loss: RowLoss, times: TrainingTimes
  ) {
    (self.model, self.end, self.curriculum) = (model, end, curriculum)
    (self.rho, self.loss, self.times) = (rho, loss, times)
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: ConsistencyTraining
    private let batch: FewStepBatch
    private var grid: NoiseGrid?
    private var chosen: [Int] = []
    private var upper: [NoiseNode] = []
    private var lower: [NoiseNode] = []
    private var weights: [Double] = []

    init(_ objective: ConsistencyTraining, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = FewStepBatch(objective.model, rows: rows, seed: seed)
    }

    private func grid(at step: Int) -> NoiseGrid {
      let intervals = objective.curriculum.intervals(at: step)
      if let grid, grid.intervals == intervals { return grid }
      let made = NoiseGrid(objective.model, from: objective.end, intervals: intervals, rho: objective.rho)
      grid = made
      return made
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (grid, count) = (grid(at: shard.step), shard.rows.count)
      chosen.refill(count) { grid.interval(of: shard.times[$0]) }
      upper.refill(count) { grid[chosen[$0] + 1] }
      lower.refill(count) { grid[chosen[$0]] }
      weights.refill(count) { 1 / ((upper[$0].ratio - lower[$0].ratio) * Double(shard.batch)) }
      return batch.pairLoss(upper, lower, to: grid.end, objective.loss, weights, shard, tape)
    }
  }
}

extension FewStepBatch {
  /// Σ_i w_i φ(‖f_θ(x_t, t) − f_θ⁻(x_r, r)‖²) with two noised states of the same x_0 and z, where f(x, t) = X_{t→ε}(x).
  func pairLoss(
    _ upper: [NoiseNode], _ lower: [NoiseNode], to end: [NoiseNode], _ loss: RowLoss, _ weights: [Double],
    _ shard: TrainingShard, _ tape: Tape
  ) -> Tensor {
    let (z, x, target) = (normals(shard), rows(0, upper.count), rows(1, upper.count))
    perturb(shard, z, at: lower, into: target)
    map(target, from: lower, to: end, under: nil, shard, tape, into: target)
    perturb(shard, z, at: upper, into: x)
    return loss.loss(error(x, from: upper, to: end, target: target, shard, tape), weights: weights, on: tape)
  }
}
