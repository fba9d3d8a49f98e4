// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores
import Solvers

/// Decoupled annealing posterior sampling (Zhang et al. 2024, algorithm 1). At each level of noise: the probability
/// flow carries x_t to x̂₀ in a few steps; x₀ is drawn from N(x₀; x̂₀, r² I) p(y | x₀) with r = σ̃_t; and x_s is drawn
/// about it, m_s x₀ + σ_s z. Levels forget each other, so that late ones can mend what early ones did.
///
/// For a linear observation x₀ is drawn exactly, else by K Langevin steps of size η_t = η (t/T + δ (1 − t/T)), where
/// δ = 0.01,
///
///     x₀ ← x₀ + η_t (∇ log p(y | x₀) + (x̂₀ − x₀)/r²) + √(2 η_t) z.
///
/// Longer steps than r²/2 would not stay near x̂₀: η_t is never longer, which the paper leaves to the choice of η.
/// The flow takes Euler steps of equal length in ln σ̃, from σ̃_t to the larger of σ̃_ε and `lowestNoise`, and ends
/// with Tweedie's mean. NFE a row: N times the steps of the flow.
public struct DAPS: Solver {
  private let observation: Observation
  private let count: Int
  /// How many scores the flow takes at each level.
  public let flowSteps: Int
  /// K: how many Langevin steps; 0: an exact draw.
  public let langevinSteps: Int
  /// η
  public let stepSize: Double
  public let grid: (any TimeGrid)?
  private let spectrum: BlockSpectrum?

  /// σ̃ at which the flow ends: EDM's lowest level.
  public static let lowestNoise = 0.002
  private static let lastShare = 0.01

  public var steps: Int? { count }
  public var requires: Requirements { .kernel }

  /// - Parameters:
  ///   - observation: what was seen.
  ///   - steps: N, how many levels, at least 1.
  ///   - flowSteps: at least 1; the paper has 5.
  ///   - langevinSteps: K; 0 for an exact draw, of a linear observation alone. The paper has 100.
  ///   - stepSize: η, above 0.
  ///   - grid: the levels; nil for the problem's grid.
  /// - Throws: `InputError` for an exact draw without singular values.
  public init(
    _ observation: Observation, steps: Int, flowSteps: Int = 5, langevinSteps: Int = 0, stepSize: Double = 1e-4,
    grid: (any TimeGrid)? = nil
  ) throws {
    precondition(steps > 0 && flowSteps > 0 && langevinSteps >= 0 && stepSize > 0)
    self.observation = observation
    (count, self.flowSteps, self.langevinSteps, self.stepSize) = (steps, flowSteps, langevinSteps, stepSize)
    self.grid = grid
    spectrum = langevinSteps == 0 ? try SpectralModel.spectrum(of: observation.requireLinear(withNoise: true)) : nil
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let kernel = try context.problem.requireKernel(for: "daps")
    let times = try context.problem.setting.times(steps: count, grid: grid)
    let inner = times.dropLast().map { flowTimes(from: $0, kernel, context.problem.epsilon) }
    let renewal = NoiseStream(seed: context.problem.seed, purpose: .posteriorRenewal)
    let (score, noise) = (context.makeRows(), context.makeRows())
    let draw = try makeDraw(context)
    context.started(at: times[0], x)
    for i in 0..<count {
      try flow(x, along: inner[i], kernel, context, score)
      try draw(x, kernel.moments(at: times[i]), times[i], i)
      let next = kernel.moments(at: times[i + 1])
      renewal.normals(into: noise, step: i)
      for j in 0..<x.size { x.values[j] = next.scale * x.values[j] + next.deviation * noise.values[j] }
      try context.finished(step: i + 1, at: times[i + 1], x)
    }
    return StepCount(accepted: Double(count))
  }

  /// The times at which the flow takes a score.
  private func flowTimes(from start: Double, _ kernel: any PerturbationKernel, _ epsilon: Double) -> [Double] {
    let (high, low) = (
      kernel.moments(at: start).noiseToSignal, max(kernel.moments(at: epsilon).noiseToSignal, Self.lowestNoise)
    )
    guard high > low, flowSteps > 1 else { return [start] }
    return (0..<flowSteps).map { k in
      let share = Double(k) / Double(flowSteps)
      let level = high * pow(low / high, share)
      return k == 0 ? start : kernel.time(ofNoiseToSignal: level, from: epsilon, to: start)
    }
  }

  /// Carries x to x̂₀: DDIM's steps, and Tweedie's mean at the last time.
  private func flow(
    _ x: Rows, along times: [Double], _ kernel: any PerturbationKernel, _ context: SolveContext, _ score: Rows
  ) throws {
    for (k, t) in times.enumerated() {
      let here = kernel.moments(at: t)
      try context.score.evaluate(x, at: .all(t), into: score)
      let next = k + 1 < times.count ? kernel.moments(at: times[k + 1]) : Moments(scale: 1, variance: 0)
      // x_s = m_s x̂₀ + σ_s ε̂ with ε̂ = −σ s.
      let (a, b) = (next.scale / here.scale, next.scale * here.variance / here.scale - next.deviation * here.deviation)
      for i in 0..<x.size { x.values[i] = a * x.values[i] + b * score.values[i] }
    }
  }

  private typealias Draw = (_ x: Rows, _ moments: Moments, _ t: Double, _ level: Int) throws -> Void

  /// What replaces x̂₀ by a draw of x₀ given it and what was seen.
  private func makeDraw(_ context: SolveContext) throws -> Draw {
    let stream = NoiseStream(seed: context.problem.seed, purpose: .posteriorStep)
    let noise = context.makeRows()
    let observed = context.span.with(dimension: observation.model.observedDimension)
    if let spectrum, let linear = observation.model.linear {
      let model = WhiteLinearModel(linear, observation, context.span)
      let seen = NoiseStream(seed: context.problem.seed, purpose: .posteriorSeen)
      let (residual, errors) = (RowStorage(observed), RowStorage(observed))
      return { x, moments, _, level in
        // A draw of both x₀ and y, carried to the y that was seen (Matheron's rule).
        stream.normals(into: noise, step: level)
        for i in 0..<x.size { x.values[i] += moments.noiseToSignal * noise.values[i] }
        let (r, e) = (residual.view(like: x), errors.view(like: x))
        model.residual(of: x, into: r)
        seen.normals(into: e, step: level)
        for i in 0..<r.size { r.values[i] += e.values[i] }
        model.pull(
          r, variance: moments.noiseToSignal * moments.noiseToSignal, spectrum, e, into: noise)
        for i in 0..<x.size { x.values[i] += noise.values[i] }
      }
    }
    let (model, y) = (observation.model.makeEvaluator(for: context.span), observation.makeRows(for: context.span))
    let (mean, gradient) = (context.makeRows(), context.makeRows())
    let (count, size, duration) = (langevinSteps, stepSize, context.problem.process.duration)
    return { x, moments, t, level in
      let precision = 1 / (moments.noiseToSignal * moments.noiseToSignal)
      let eta = min(size * (t / duration + Self.lastShare * (1 - t / duration)), 0.5 / precision)
      mean.copy(x)
      for k in 0..<count {
        model.gradient(x, of: y.rows, into: gradient)
        stream.normals(into: noise, step: level * count + k)
        for i in 0..<x.size {
          let drift = gradient.values[i] + (mean.values[i] - x.values[i]) * precision
          x.values[i] += eta * drift + (2 * eta).squareRoot() * noise.values[i]
        }
      }
    }
  }
}
