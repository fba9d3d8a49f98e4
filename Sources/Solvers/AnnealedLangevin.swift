// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// Annealed Langevin dynamics (Song and Ermon 2019, algorithm 1): L noise levels from T to ε, and at each K steps
///
///     y ← y + (α_i/2) ∇ log p(y) + √α_i z,   α_i = r σ̃_i²,
///
/// in y = x/m, so that it is NCSN's own sampler under a variance-exploding process and defined for every scalar kernel.
/// It has no order: what it draws is right where K is large and the levels are close.
///
/// NFE a row: L K. The levels are the N + 1 times of the grid without the first, as the prior is already a sample at T.
public struct AnnealedLangevin: Solver {
  /// L: how many noise levels there are.
  public let levels: Int
  /// K: how many steps are taken at each.
  public let stepsPerLevel: Int
  /// r: NCSN's ε₀/σ̃_L², with α_i = ε₀ σ̃_i²/σ̃_L².
  public let stepSize: Double
  public let grid: (any TimeGrid)?

  public var steps: Int? { levels }
  public var requires: Requirements { .kernel }

  /// - Parameters:
  ///   - levels: L, how many noise levels there are.
  ///   - stepsPerLevel: K, how many steps are taken at each.
  ///   - stepSize: r, stable below 4; NCSN has 2e-5/0.01² = 0.2.
  ///   - grid: default: the problem's. NCSN's levels are geometric: `LogSignalToNoiseGrid`.
  public init(levels: Int, stepsPerLevel: Int = 100, stepSize: Double = 0.2, grid: (any TimeGrid)? = nil) {
    precondition(levels > 0 && stepsPerLevel > 0 && stepSize > 0)
    self.levels = levels
    self.stepsPerLevel = stepsPerLevel
    self.stepSize = stepSize
    self.grid = grid
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let kernel = try context.problem.requireKernel(for: "annealed-langevin")
    let times = try context.problem.setting.times(steps: levels, grid: grid)
    let stream = NoiseStream(seed: context.problem.seed, purpose: .corrector)
    let (score, noise) = (context.makeRows(), context.makeRows())
    var scale = kernel.moments(at: times[0]).scale
    context.started(at: times[0], x)
    for i in 1...levels {
      let moments = kernel.moments(at: times[i])
      ck_combine(x.values, moments.scale / scale, x.values, 0, x.values, x.size)
      scale = moments.scale
      // In x = m y the step is m² α/2 along the score of x, and m² σ̃² = σ².
      let size = stepSize * moments.variance
      for k in 0..<stepsPerLevel {
        try context.score.evaluate(x, at: .all(times[i]), into: score)
        stream.normals(into: noise, step: (i - 1) * stepsPerLevel + k)
        ck_combine3(x.values, 1, x.values, 0.5 * size, score.values, size.squareRoot(), noise.values, x.size)
      }
      try context.finished(step: i, at: times[i], x)
    }
    return StepCount(accepted: Double(levels))
  }
}
