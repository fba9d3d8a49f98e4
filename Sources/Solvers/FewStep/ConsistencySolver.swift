// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// Multistep consistency sampling (Song et al. 2023, algorithm 1): x ← f(x, T), and then for each further time τ of
/// the grid x_τ = r x + √q z from ε to τ and x ← f(x_τ, τ), where f(·, t) = X_{t→ε}: noise of its own before every map.
///
/// NFE a row: N. With networks of one time and of two.
public struct ConsistencySolver: Solver {
  private let count: Int
  public let grid: (any TimeGrid)?

  public var steps: Int? { count }
  public var requires: Requirements { [.kernel, .flowMap] }
  public var limit: Limit { count == 1 ? .flow : .law }
  public var endsWithData: Bool { true }

  /// - Parameters:
  ///   - steps: N, at least 1.
  ///   - grid: N + 1 times from T to ε, of which the first N are mapped from; nil: the problem's grid.
  public init(steps: Int, grid: (any TimeGrid)? = nil) {
    precondition(steps > 0)
    (count, self.grid) = (steps, grid)
  }

  public func check(_ setting: SamplingSetting) throws {
    try checkTimes(setting)
    guard let map = setting.map else { return }
    guard map.reaches(setting.epsilon) else {
      throw InputError(map.complaint(of: setting.epsilon, "sampling.epsilon"))
    }
    try setting.check(starts: try setting.times(steps: count, grid: grid).dropLast(), of: map)
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let problem = context.problem
    let kernel = try problem.requireKernel(for: "consistency")
    let times = try problem.setting.times(steps: count, grid: grid)
    let (next, noise) = (context.makeRows(), context.makeRows())
    let end = kernel.moments(at: problem.epsilon)
    context.started(at: times[0], x)
    for i in 0..<count {
      if i > 0 {
        NoiseStream(seed: problem.seed, purpose: .predictor).normals(into: noise, step: i)
        let (r, q) = end.transition(to: kernel.moments(at: times[i]))
        ck_combine(x.values, r, x.values, q.squareRoot(), noise.values, x.size)
      }
      try context.map(x, from: times[i], to: problem.epsilon, into: next)
      x.copy(next)
      try context.finished(step: i + 1, at: problem.epsilon, x)
    }
    return StepCount(accepted: Double(count))
  }
}
