// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Tensors

/// Steps of a teacher's probability flow dy/dσ̃ = ẑ(m y, t) of y = x/m over one interval of a grid.
public struct TeacherSteps: Sendable, Equatable {
  /// How a step is taken.
  public enum Method: String, Sendable, CaseIterable {
    /// DDIM.
    case euler
    /// EDM's, of order 2 (Karras et al. 2022, algorithm 1; Song et al. 2023, algorithm 2).
    case heun
    /// The classical method of order 4, in κ = σ̃^{1/ρ}.
    case rk4
  }

  /// How a step is taken.
  public let method: Method
  /// Steps of an interval.
  public let count: Int

  /// So many steps of an interval.
  public init(_ method: Method, count: Int = 1) { (self.method, self.count) = (method, count) }

  /// Of the classical method: the part of a step where a slope is taken, its weight, and how far the next one lies.
  private static let classical: [(part: Int, weight: Double, next: Double)] = [
    (0, 1.0 / 3, 1), (1, 2.0 / 3, 1), (1, 2.0 / 3, 2), (2, 1.0 / 3, 0),
  ]

  /// How many parts an interval of a grid has for them.
  public var parts: Int { method == .rk4 ? 2 * count : count }

  /// Carries rows from the upper node of their intervals to the lower one.
  /// - Parameters:
  ///   - x: the states, in place.
  ///   - intervals: that of each row.
  ///   - grid: with `parts` parts.
  ///   - teacher: evaluates ẑ.
  ///   - batch: has memory, of which it takes that from `memory` on.
  func advance(
    _ x: Rows, over intervals: [Int], of grid: NoiseGrid, _ teacher: TeacherEvaluator, _ batch: FewStepBatch,
    memory: Int, _ shard: TrainingShard, _ tape: Tape
  ) {
    let (y, z, sum, at) = (
      batch.rows(memory, x.count), batch.rows(memory + 1, x.count), batch.rows(memory + 2, x.count),
      batch.rows(memory + 3, x.count)
    )
    func node(_ row: Int, _ part: Int) -> Int { (intervals[row] + 1) * grid.parts - part }
    func combine(_ out: Rows, _ a: Rows, _ b: Rows, _ factor: (Int) -> Double) {
      for i in 0..<x.count {
        let target = out.row(i)
        ck_combine(target.values, 1, a.row(i).values, factor(i), b.row(i).values, target.size)
      }
    }
    /// ẑ at y of the nodes after so many parts.
    func slope(_ y: Rows, _ part: Int) {
      batch.nodes.refill(x.count) { grid.nodes[node($0, part)] }
      for i in 0..<x.count {
        let row = at.row(i)
        ck_combine(row.values, batch.nodes[i].moments.scale, y.row(i).values, 0, y.row(i).values, row.size)
      }
      teacher.noise(at, at: batch.nodes, shard, tape, into: z)
    }
    func ratio(_ row: Int, _ part: Int) -> Double { grid.nodes[node(row, part)].ratio }
    for i in 0..<x.count {
      let row = y.row(i)
      ck_combine(row.values, 1 / grid.nodes[node(i, 0)].moments.scale, x.row(i).values, 0, row.values, row.size)
    }
    for step in 0..<count {
      switch method {
      case .euler, .heun:
        slope(y, step)
        func h(_ i: Int) -> Double { ratio(i, step + 1) - ratio(i, step) }
        sum.copy(y)
        combine(y, y, z, h)
        guard method == .heun else { continue }
        combine(sum, sum, z) { 0.5 * h($0) }
        slope(y, step + 1)
        combine(y, sum, z) { 0.5 * h($0) }
      case .rk4:
        // Nodes are at equal steps of κ, of which a step of the method takes two, downwards.
        let start = batch.rows(memory + 4, x.count)
        start.copy(y)
        sum.copy(y)
        for (part, weight, next) in Self.classical {
          slope(y, 2 * step + part)
          func rate(_ i: Int) -> Double { grid.slope(at: node(i, 2 * step + part)) }
          combine(sum, sum, z) { -weight * rate($0) }
          combine(y, start, z) { -next * rate($0) }
        }
        y.copy(sum)
      }
    }
    for i in 0..<x.count {
      let row = x.row(i)
      ck_combine(row.values, grid[intervals[i]].moments.scale, y.row(i).values, 0, row.values, row.size)
    }
  }
}
