// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// What the methods for additive noise share: the reverse-time SDE as dx = F(x, τ) dτ + g(τ) dB in τ = T − t, with the
/// drift −F = f − g² s, and ΔB and H of a step.
final class AdditiveNoiseStep {
  let process: any SDE
  let score: Rows
  /// ΔB/√h, and H √(12/h).
  let increment, area: Rows
  private let evaluator: CountingEvaluator
  private let walker: any BrownianWalker

  init(_ context: SolveContext) {
    process = context.problem.process
    evaluator = context.score
    walker = context.path.makeWalker(for: context.span)
    (score, increment, area) = (context.makeRows(), context.makeRows(), context.makeRows())
  }

  /// Draws the step's noise.
  func draw(_ step: Step, withArea: Bool) {
    walker.increment(from: step.from, to: step.to, step: step.index, into: increment, area: withArea ? area : nil)
  }

  /// `drift` ← h F(x, t), h the length of the step.
  func drift(_ x: Rows, at t: Double, _ step: Step, into drift: Rows) throws {
    try evaluator.evaluate(x, at: .all(t), into: score)
    drift.fill(0)
    process.addReverseDrift(x, score: score, at: t, times: -step.length, to: drift)
  }

  /// out += g(t) (a ΔB + b H)
  func addNoise(_ a: Double, _ b: Double, _ x: Rows, at t: Double, _ step: Step, to out: Rows) {
    let root = step.length.squareRoot()
    if a != 0 { process.addNoise(increment, x, at: t, times: a * root, to: out) }
    if b != 0 { process.addNoise(area, x, at: t, times: b * root / 12.0.squareRoot(), to: out) }
  }
}
