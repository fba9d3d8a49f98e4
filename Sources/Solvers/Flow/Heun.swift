// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// EDM's sampler (Karras et al. 2022, algorithms 1 and 2) for every process with a scalar kernel. In y = x/m and σ̃ = σ/m
/// the probability flow is the same for all of them,
///
///     dy/dσ̃ = d = (y − D(y; σ̃))/σ̃ = −σ s(x, t),
///
/// with D Tweedie's mean of x_0. A step raises the noise level from σ̃_i to σ̂ = (1 + γ) σ̃_i, ŷ = y + √(σ̂² − σ̃_i²) S_noise z,
/// with γ = min(S_churn/N, √2 − 1) where S_min ≤ σ̃_i ≤ S_max, else 0; then it follows the flow from σ̂ to σ̃_{i+1} by the
/// trapezoidal rule, y ← ŷ + ½ (σ̃_{i+1} − σ̂)(d̂ + d′). Second order, and deterministic without churn.
///
/// NFE a row: 2 N. The grid ends at σ̃(ε) > 0; denoising there is the paper's last, Euler step to 0. So N intervals and the
/// denoising are its sampler of N + 1 steps and 2 N + 1 evaluations. σ̂ is at most σ̃(T), where the process ends: the
/// first step has no churn.
public struct Heun: Solver {
  /// How much noise is added between steps.
  public struct Churn: Sendable, Equatable {
    /// S_churn ≥ 0
    public let amount: Double
    /// S_min and S_max: the σ̃ at which noise is added.
    public let lowest, highest: Double
    /// S_noise > 0
    public let noise: Double

    public static let none = Churn(0)

    public init(_ amount: Double, from lowest: Double = 0, to highest: Double = .infinity, noise: Double = 1) {
      precondition(amount >= 0 && lowest >= 0 && highest >= lowest && noise > 0)
      self.amount = amount
      self.lowest = lowest
      self.highest = highest
      self.noise = noise
    }

    /// γ at σ̃, in a solve of N steps.
    func rate(at ratio: Double, steps: Int) -> Double {
      ratio >= lowest && ratio <= highest ? min(amount / Double(steps), 2.0.squareRoot() - 1) : 0
    }
  }

  public let churn: Churn
  public let grid: (any TimeGrid)?
  private let count: Int

  public var steps: Int? { count }

  /// - Parameter grid: default: the problem's. The paper's is `KarrasGrid`.
  public init(steps: Int, churn: Churn = .none, grid: (any TimeGrid)? = nil) {
    precondition(steps > 0)
    count = steps
    self.churn = churn
    self.grid = grid
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let problem = context.problem
    let kernel = try problem.requireKernel(for: "heun")
    let stream = NoiseStream(seed: problem.seed, purpose: .churn)
    let times = try problem.times(steps: count, grid: grid)
    let (y, score, later) = (context.makeRows(), context.makeRows(), context.makeRows())
    let n = x.size
    ck_combine(y.values, 1 / kernel.moments(at: times[0]).scale, x.values, 0, x.values, n)
    for i in 0..<count {
      var (t, from) = (times[i], kernel.moments(at: times[i]))
      let rate = churn.rate(at: from.noiseRatio, steps: count)
      if rate > 0 {
        t = kernel.time(ofNoiseRatio: (1 + rate) * from.noiseRatio, from: t, to: times[0])
        let raised = kernel.moments(at: t)
        let added = max(0, raised.noiseRatio * raised.noiseRatio - from.noiseRatio * from.noiseRatio)
        stream.normals(into: score, step: i)
        ck_combine(y.values, 1, y.values, churn.noise * added.squareRoot(), score.values, n)
        from = raised
      }
      let to = kernel.moments(at: times[i + 1])
      let step = from.noiseRatio - to.noiseRatio
      let slope = step * from.deviation
      ck_combine(x.values, from.scale, y.values, 0, y.values, n)
      try context.score.evaluate(x, at: .all(t), into: score)
      if to.noiseRatio > 0 {
        ck_combine(x.values, to.scale, y.values, to.scale * slope, score.values, n)
        try context.score.evaluate(x, at: .all(times[i + 1]), into: later)
        ck_combine3(
          y.values, 1, y.values, 0.5 * slope, score.values, 0.5 * step * to.deviation, later.values, n)
      } else {
        // No score at σ = 0: Euler's step.
        ck_combine(y.values, 1, y.values, slope, score.values, n)
      }
      try context.finished(step: i + 1, at: times[i + 1], y)
    }
    ck_combine(x.values, kernel.moments(at: times[count]).scale, y.values, 0, y.values, n)
    return StepCount(accepted: count)
  }
}
