// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// EDM's step (Karras et al. 2022, algorithms 1 and 2) for every process with a scalar kernel. In y = x/m and σ̃ = σ/m
/// the probability flow is the same for all of them,
///
///     dy/dσ̃ = d = (y − D(y; σ̃))/σ̃ = −σ s(x, t),
///
/// with D Tweedie's mean of x_0. A step raises the noise level from σ̃_i to σ̂ = (1 + γ) σ̃_i, ŷ = y + √(σ̂² − σ̃_i²)
/// S_noise z, with γ = min(S_churn/N, √2 − 1) where S_min ≤ σ̃_i ≤ S_max, else 0; then it follows the flow from σ̂ to
/// σ̃_{i+1} by the trapezoidal rule, y ← ŷ + ½ (σ̃_{i+1} − σ̂)(d̂ + d′). Second order, and deterministic without churn.
///
/// NFE a row: 2 a step. The grid ends at σ̃(ε) > 0; denoising there is the paper's last, Euler step to 0. So N
/// intervals and the denoising are its sampler of N + 1 steps and 2 N + 1 evaluations. σ̂ is at most σ̃(T), where the
/// process ends: the first step has no churn.
public struct EDMHeun: EmbeddedPredictor {
  /// How much noise is added between steps.
  public struct Churn: Sendable, Equatable {
    /// S_churn ≥ 0
    public let amount: Double
    /// S_min and S_max: the σ̃ at which noise is added.
    public let lowest, highest: Double
    /// S_noise > 0
    public let noise: Double

    /// No noise: the deterministic sampler.
    public static let none = Churn(0)

    /// - Parameters:
    ///   - amount: S_churn, at least 0.
    ///   - lowest: S_min, at least 0.
    ///   - highest: S_max, at least S_min.
    ///   - noise: S_noise, above 0.
    public init(_ amount: Double, from lowest: Double = 0, to highest: Double = .infinity, noise: Double = 1) {
      precondition(amount >= 0 && lowest >= 0 && highest >= lowest && noise > 0)
      self.amount = amount
      self.lowest = lowest
      self.highest = highest
      self.noise = noise
    }

    /// γ at σ̃, in a solve of N steps.
    func rate(at noiseToSignal: Double, steps: Int) -> Double {
      noiseToSignal >= lowest && noiseToSignal <= highest ? min(amount / Double(steps), 2.0.squareRoot() - 1) : 0
    }
  }

  /// How much noise is added between steps.
  public let churn: Churn

  public var requires: Requirements { .kernel }
  public var hasLowerOrders: Bool { true }
  public var limit: Limit { churn.amount > 0 ? .law : .flow }
  /// That of the Euler step inside.
  public var errorOrder: Double { 2 }
  /// Churn is a share of a number of steps that is known beforehand: there is no adaptive form of it.
  public var embedded: (any EmbeddedPredictor)? { churn.amount > 0 ? nil : self }

  /// EDM's sampler; without churn, Heun's method of the probability flow.
  public init(churn: Churn = .none) { self.churn = churn }

  public func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper {
    try Stepper(churn, context)
  }

  final class Stepper: EmbeddedStepper {
    private let churn: Churn
    private let kernel: any PerturbationKernel
    private let duration: Double
    private let evaluator: CountingEvaluator
    private let stream: NoiseStream
    private let start, score, later: Rows
    let next: Rows

    init(_ churn: Churn, _ context: SolveContext) throws {
      self.churn = churn
      kernel = try context.problem.requireKernel(for: "heun")
      duration = context.problem.process.duration
      evaluator = context.score
      stream = NoiseStream(seed: context.problem.seed, purpose: .churn)
      (start, score) = (context.makeRows(), context.makeRows())
      (later, next) = (context.makeRows(), context.makeRows())
    }

    func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws {
      let n = x.size
      var (t, from) = (step.from, kernel.moments(at: step.from))
      let rate = step.count.map { churn.rate(at: from.noiseToSignal, steps: $0) } ?? 0
      start.copy(x)
      if rate > 0 {
        t = kernel.time(ofNoiseToSignal: (1 + rate) * from.noiseToSignal, from: t, to: duration)
        let raised = kernel.moments(at: t)
        let added = max(0, raised.noiseToSignal * raised.noiseToSignal - from.noiseToSignal * from.noiseToSignal)
        stream.normals(into: score, step: step.index)
        ck_combine(
          start.values, raised.scale / from.scale, x.values, raised.scale * churn.noise * added.squareRoot(),
          score.values, n)
        from = raised
      }
      let to = kernel.moments(at: step.to)
      // In x_s = m_s y: the lengths of the step along the scores at its two ends.
      let growth = to.scale / from.scale
      let length = to.scale * (from.noiseToSignal - to.noiseToSignal)
      try evaluator.evaluate(start, at: .all(t), into: score)
      ck_combine(next.values, growth, start.values, length * from.deviation, score.values, n)
      lower?.copy(next)
      // There is no score at σ = 0.
      if step.isFirstOrder || to.noiseToSignal == 0 { return }
      try evaluator.evaluate(next, at: .all(step.to), into: later)
      ck_combine3(
        next.values, growth, start.values, 0.5 * length * from.deviation, score.values, 0.5 * length * to.deviation,
        later.values, n)
    }
  }
}
