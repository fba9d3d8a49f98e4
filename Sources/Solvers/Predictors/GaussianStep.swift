// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// A step x_s = a x + b score + c z with scalars from the kernel's transition x_t = r x_s + √q z': the shape that
/// reverse diffusion and ancestral sampling share.
final class GaussianStep: PredictorStepper {
  private let kernel: any PerturbationKernel
  private let coefficients: (_ later: Moments, _ earlier: Moments) -> GaussianTransition
  private let evaluator: CountingEvaluator
  private let walker: any BrownianWalker
  private let score, noise: Rows

  init(
    _ name: String, in context: SolveContext,
    coefficients: @escaping (_ later: Moments, _ earlier: Moments) -> GaussianTransition
  ) throws {
    kernel = try context.problem.requireKernel(for: name)
    self.coefficients = coefficients
    evaluator = context.score
    walker = context.path.makeWalker(for: context.span)
    score = context.makeRows()
    noise = context.makeRows()
  }

  func step(_ x: Rows, _ step: Step) throws {
    let (t, s) = (step.from, step.to)
    let c = coefficients(kernel.moments(at: t), kernel.moments(at: s))
    try evaluator.evaluate(x, at: .all(t), into: score)
    walker.increment(from: t, to: s, step: step.index, into: noise)
    ck_combine3(x.values, c.state, x.values, c.score, score.values, c.deviation, noise.values, x.size)
  }
}
