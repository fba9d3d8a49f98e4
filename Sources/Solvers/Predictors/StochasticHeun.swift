// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// Heun's step of the reverse SDE: with F the reverse drift in τ = T − t,
///
///     x̃ = x + h F(x, t) + g(t) ΔB,   x_s = x + ½ h (F(x, t) + F(x̃, s)) + ½ (g(t) + g(s)) ΔB.
///
/// Strong order 1 for additive noise, weak order 2 in its deterministic part (Kloeden and Platen 1992, section 15.1); x̃ is
/// the embedded Euler–Maruyama step. Jolicoeur-Martineau et al. 2021 take this step adaptively (their algorithm 1); for noise that
/// depends on the state it would solve the Stratonovich equation, which is another one.
///
/// NFE a row: 2 a step.
public struct StochasticHeun: EmbeddedPredictor {
  public init() {}

  public var requires: Requirements { .additiveNoise }
  public var limit: Limit { .path }
  public var errorOrder: Double { 1.5 }

  public func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper { Stepper(context) }

  final class Stepper: EmbeddedStepper {
    private let sde: AdditiveNoiseStep
    private let drift, later, guess: Rows
    let next: Rows

    init(_ context: SolveContext) {
      sde = AdditiveNoiseStep(context)
      (drift, later) = (context.makeRows(), context.makeRows())
      (guess, next) = (context.makeRows(), context.makeRows())
    }

    func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws {
      sde.draw(step, withArea: false)
      try sde.drift(x, at: step.from, step, into: drift)
      ck_combine(guess.values, 1, x.values, 1, drift.values, x.size)
      sde.addNoise(1, 0, x, at: step.from, step, to: guess)
      lower?.copy(guess)
      if step.isFirstOrder { return next.copy(guess) }
      try sde.drift(guess, at: step.to, step, into: later)
      ck_combine3(next.values, 1, x.values, 0.5, drift.values, 0.5, later.values, x.size)
      sde.addNoise(0.5, 0, x, at: step.from, step, to: next)
      sde.addNoise(0.5, 0, x, at: step.to, step, to: next)
    }
  }
}
