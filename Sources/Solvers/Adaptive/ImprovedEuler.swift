// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// The step of Jolicoeur-Martineau et al. 2021 (algorithm 1): with the increments of Euler–Maruyama at (x, t), and at (x′, s)
/// with the same noise,
///
///     x′ = x + h F(x, t) + g(t) ΔB,   x̃ = x + h F(x′, s) + g(s) ΔB,   x_s = ½ (x′ + x̃).
///
/// For additive noise it is `StochasticHeun`; this form also takes noise that depends on the state, as the paper does. x′
/// is the lesser method.
///
/// NFE a row: 2 a step.
public struct ImprovedEuler: EmbeddedPredictor {
  public init() {}

  public var limit: Limit { .path }
  public var errorOrder: Double { 1.5 }

  public func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper { Stepper(context) }

  final class Stepper: EmbeddedStepper {
    private let sde: AdditiveNoiseStep
    private let drift, guess, next: Rows

    init(_ context: SolveContext) {
      sde = AdditiveNoiseStep(context)
      (drift, guess, next) = (context.makeRows(), context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      try attempt(x, step, into: next, lower: nil)
      x.copy(next)
    }

    func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws {
      sde.draw(step, withArea: false)
      try sde.drift(x, at: step.from, step, into: drift)
      ck_combine(guess.values, 1, x.values, 1, drift.values, x.size)
      sde.addNoise(1, 0, x, at: step.from, step, to: guess)
      lower?.copy(guess)
      if step.isFirstOrder { return next.copy(guess) }
      try sde.drift(guess, at: step.to, step, into: drift)
      ck_combine(next.values, 1, x.values, 1, drift.values, x.size)
      sde.addNoise(1, 0, guess, at: step.to, step, to: next)
      ck_combine(next.values, 0.5, next.values, 0.5, guess.values, x.size)
    }
  }
}
