// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// DPM-Solver-2 and -3 (Lu et al. 2022a, algorithms 1 and 2, with r₁ = ½; r₁ = ⅓ and r₂ = ⅔): the probability flow in
/// λ = ln(m/σ), its linear part exact, predicted noise expanded around the start of the step, h = λ_s − λ_t:
///
///     x_s = (m_s/m_t) x_t − σ_s (e^h − 1) ε̂_t − (σ_s/r₂) ((e^h − 1)/h − 1) (ε̂_{r₂} − ε̂_t)
///
/// NFE a row: 2 or 3 a step. The difference from the embedded method of an order less steers adaptive steps (their
/// section 3.4), in λ.
public struct DPMSolver: EmbeddedPredictor {
  /// 2 or 3
  public let order: Int

  public var requires: Requirements { .kernel }
  public var hasLowerOrders: Bool { true }
  /// The embedded method is of order p − 1, so that its local error is of order p.
  public var errorOrder: Double { Double(order) }
  public var clock: Clock { .logSignalToNoise }

  /// DPM-Solver-2 or -3.
  /// - Precondition: order 2 or 3.
  public init(order: Int) {
    precondition(order == 2 || order == 3, "order 2 or 3")
    self.order = order
  }

  public func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper {
    try Stepper(order, context)
  }

  final class Stepper: EmbeddedStepper {
    private let order: Int
    private let score: LevelEvaluator
    private let noise, middle, slope: Rows
    let next: Rows

    init(_ order: Int, _ context: SolveContext) throws {
      self.order = order
      score = try LevelEvaluator("dpm-solver-\(order)", in: context)
      (noise, middle) = (context.makeRows(), context.makeRows())
      (slope, next) = (context.makeRows(), context.makeRows())
    }

    func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws {
      let (from, to) = (score.level(at: step.from), score.level(at: step.to))
      let h = to.logSignalToNoise - from.logSignalToNoise
      try score.noise(x, at: from, into: noise)
      next.copy(x)
      eulerStep(next, noise: noise, from: from, to: to)
      if step.isFirstOrder {
        lower?.copy(next)
        return
      }
      let r1 = order == 2 ? 0.5 : 1.0 / 3
      let first = score.level(logSignalToNoise: from.logSignalToNoise + r1 * h, from: from, to: to)
      middle.copy(x)
      eulerStep(middle, noise: noise, from: from, to: first)
      try score.noise(middle, at: first, into: slope)
      // ε̂_{r₁} − ε̂_t
      ck_combine(slope.values, 1, slope.values, -1, noise.values, x.size)
      let full = to.scale * (to.noiseToSignal - from.noiseToSignal)
      if order == 2 {
        lower?.copy(next)
        ck_add_scaled(next.values, slope.values, full / (2 * r1), x.size)
        return
      }
      if let lower { ck_combine(lower.values, 1, next.values, full / (2 * r1), slope.values, x.size) }
      let r2 = 2.0 / 3
      let second = score.level(logSignalToNoise: from.logSignalToNoise + r2 * h, from: from, to: to)
      middle.copy(x)
      eulerStep(middle, noise: noise, from: from, to: second)
      // (e^{r₂h} − 1)/(r₂h) − 1 = r₂h φ₂(r₂h)
      ck_add_scaled(
        middle.values, slope.values, -second.deviation * (r2 / r1) * r2 * h * phi(2, r2 * h), x.size)
      try score.noise(middle, at: second, into: slope)
      ck_combine(slope.values, 1, slope.values, -1, noise.values, x.size)
      ck_add_scaled(next.values, slope.values, -to.deviation / r2 * h * phi(2, h), x.size)
    }
  }
}
