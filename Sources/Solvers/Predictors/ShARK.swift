// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// The shifted additive-noise Runge–Kutta method ShARK (Foster, dos Reis and Strange 2024, eq. 6.1), of strong order 1.5: with
/// F the reverse drift in τ = T − t and H the area between path and chord,
///
///     x̃ = x + g(t) H,   y = x̃ + 5/6 (h F(x̃, t) + g(t) ΔB),
///     x_s = x + h (2/5 F(x̃, t) + 3/5 F(y, t − 5/6 h)) + g(t) (½ ΔB + H) + g(s) (½ ΔB − H);
///
/// the last two terms are ∫ g dB for a g that is linear in time. The embedded method has both drifts at x̃, and order 1.
///
/// NFE a row: 2 a step.
public struct ShARK: EmbeddedPredictor {
  public init() {}

  public var requires: Requirements { .additiveNoise }
  public var limit: Limit { .path }
  public var errorOrder: Double { 1.5 }

  public func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper { Stepper(context) }

  final class Stepper: EmbeddedStepper {
    private let sde: AdditiveNoiseStep
    private let first, second, stage: Rows
    let next: Rows

    init(_ context: SolveContext) {
      sde = AdditiveNoiseStep(context)
      (first, second) = (context.makeRows(), context.makeRows())
      (stage, next) = (context.makeRows(), context.makeRows())
    }

    func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws {
      sde.draw(step, withArea: true)
      stage.copy(x)
      sde.addNoise(0, 1, x, at: step.from, step, to: stage)
      try sde.drift(stage, at: step.from, step, into: first)
      ck_add_scaled(stage.values, first.values, 5.0 / 6, x.size)
      sde.addNoise(5.0 / 6, 0, x, at: step.from, step, to: stage)
      if step.isFirstOrder {
        second.copy(first)
      } else {
        try sde.drift(stage, at: step.from - 5.0 / 6 * step.length, step, into: second)
      }
      ck_combine3(next.values, 1, x.values, 0.4, first.values, 0.6, second.values, x.size)
      sde.addNoise(0.5, 1, x, at: step.from, step, to: next)
      sde.addNoise(0.5, -1, x, at: step.to, step, to: next)
      if let lower { ck_combine3(lower.values, 1, next.values, 0.6, first.values, -0.6, second.values, x.size) }
    }
  }
}
