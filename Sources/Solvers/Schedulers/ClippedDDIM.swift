// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// DDIM whose denoised mean D is clipped while the noise ε is left as the network gives it, which is what diffusers
/// does: x_s = m_s D + √(σ_s² − ς²) ε + ς z. The two no longer fit together, so that no score has them.
struct ClippedDDIM: Predictor {
  let eta: Double
  let clipping: Clipping
  var requires: Requirements { .kernel }
  var limit: Limit { .law }

  func makeStepper(in context: SolveContext) throws -> any PredictorStepper { try Stepper(self, context) }

  final class Stepper: PredictorStepper {
    private let method: ClippedDDIM
    private let score: LevelEvaluator
    private let walker: any BrownianWalker
    private let denoised, noise, normals: Rows

    init(_ method: ClippedDDIM, _ context: SolveContext) throws {
      self.method = method
      score = try LevelEvaluator("ddim", in: context)
      walker = context.path.makeWalker(for: context.span)
      (denoised, noise, normals) = (context.makeRows(), context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      let (from, to) = (score.level(at: step.from), score.level(at: step.to))
      try score.denoised(x, at: from, into: denoised)
      // ε = (x − m D)/σ
      ck_combine(
        noise.values, 1 / from.deviation, x.values, -from.scale / from.deviation, denoised.values, noise.size)
      method.clipping.apply(to: denoised)
      let share = to.noiseToSignal / from.noiseToSignal
      let added = method.eta * to.noiseToSignal * max(0, 1 - share * share).squareRoot()
      let kept = max(0, to.noiseToSignal * to.noiseToSignal - added * added).squareRoot()
      ck_combine(x.values, to.scale, denoised.values, to.scale * kept, noise.values, x.size)
      if added == 0 { return }
      walker.increment(from: step.from, to: step.to, step: step.index, into: normals)
      ck_add_scaled(x.values, normals.values, to.scale * added, x.size)
    }
  }
}
