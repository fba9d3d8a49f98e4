// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// The stochastic Runge–Kutta method SRA1 for additive noise (Rößler 2010, table 6.3), of strong order 1.5: with F the
/// reverse drift in τ = T − t and χ = 1/h ∫ (B − B_t) dτ = ½ ΔB + H,
///
///     H₂ = x + ¾ h F(x, t) + (3/2) g(s) χ,
///     x_s = x + h (⅓ F(x, t) + ⅔ F(H₂, t − ¾ h)) + g(s) (ΔB − χ) + g(t) χ.
///
/// The embedded method has both drifts at x, and order 1.
///
/// NFE a row: 2 a step.
public struct SRA1: EmbeddedPredictor {
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
      try sde.drift(x, at: step.from, step, into: first)
      ck_combine(stage.values, 1, x.values, 0.75, first.values, x.size)
      sde.addNoise(0.75, 1.5, x, at: step.to, step, to: stage)
      if step.isFirstOrder {
        second.copy(first)
      } else {
        try sde.drift(stage, at: step.from - 0.75 * step.length, step, into: second)
      }
      ck_combine3(next.values, 1, x.values, 1.0 / 3, first.values, 2.0 / 3, second.values, x.size)
      sde.addNoise(0.5, -1, x, at: step.to, step, to: next)
      sde.addNoise(0.5, 1, x, at: step.from, step, to: next)
      if let lower {
        ck_combine3(lower.values, 1, next.values, 2.0 / 3, first.values, -2.0 / 3, second.values, x.size)
      }
    }
  }
}
