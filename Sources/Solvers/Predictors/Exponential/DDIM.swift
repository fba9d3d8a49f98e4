// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// y_s = D + √(σ̃_s² − ς²) ε̂ + ς z with ς = η σ̃_s √(1 − σ̃_s²/σ̃_t²), in y = x/m (Song, Meng and Ermon 2021, eq. 12
/// and 16). η = 0: deterministic, the first-order exponential step of the probability flow; η = 1: ancestral sampling.
public struct DDIM: Predictor {
  /// η: 0 for the deterministic sampler, 1 for ancestral sampling.
  public let eta: Double

  public var requires: Requirements { .kernel }
  /// Between 0 and 1 it follows other SDEs of the same laws.
  public var limit: Limit { eta == 0 ? .flow : eta == 1 ? .path : .law }

  /// - Parameter eta: 0 ≤ η ≤ 1.
  public init(eta: Double = 0) {
    precondition((0...1).contains(eta), "0 ≤ η ≤ 1")
    self.eta = eta
  }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { try Stepper(eta, context) }

  final class Stepper: PredictorStepper {
    private let eta: Double
    private let score: LevelEvaluator
    private let walker: any BrownianWalker
    private let noise, normals: Rows

    init(_ eta: Double, _ context: SolveContext) throws {
      self.eta = eta
      score = try LevelEvaluator("ddim", in: context)
      walker = context.path.makeWalker(for: context.span)
      (noise, normals) = (context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      let (from, to) = (score.level(at: step.from), score.level(at: step.to))
      try score.noise(x, at: from, into: noise)
      let share = to.noiseToSignal / from.noiseToSignal
      let added = eta * to.noiseToSignal * max(0, 1 - share * share).squareRoot()
      if added == 0 { return eulerStep(x, noise: noise, from: from, to: to) }
      walker.increment(from: step.from, to: step.to, step: step.index, into: normals)
      let kept = max(0, to.noiseToSignal * to.noiseToSignal - added * added).squareRoot()
      ck_combine3(
        x.values, to.scale / from.scale, x.values, to.scale * (kept - from.noiseToSignal), noise.values,
        to.scale * added,
        normals.values, x.size)
    }
  }
}
