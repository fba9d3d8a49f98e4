// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// DPM-Solver++ with 2 or 3 evaluations in memory (Lu et al. 2022b, algorithm 2; 3M and the SDE forms with η as in
/// k-diffusion by K. Crowson). With D the denoised mean, h = λ_s − λ_t and g = (1 + η) h:
///
///     x_s = (σ_s/σ_t) e^{−ηh} x_t + m_s [(1 − e^{−g}) D + corrections from earlier D] + σ_s √(1 − e^{−2ηh}) z
///
/// `exact` corrections are the integrals of the linear or quadratic interpolation of D over λ: g φ₂(−g) Δ + 2 g φ₃(−g)
/// Δ², with Δ and Δ² the first derivative and half the second at the step's start, in units of h. The `published` 2M
/// has (1 − e^{−g})/2 in place of g φ₂(−g), which is of second order too and often more accurate; the published 3M has
/// g φ₃(−g) Δ², half of what the integral is, so that its order is 2 (measured; the factor is missing in the authors'
/// code, in diffusers and in k-diffusion alike). η = 0 follows the probability flow, η = 1 is the reverse SDE. The
/// first step is of order 1, the second of 3M that of 2M `exact`.
///
/// NFE a row: 1 a step.
public struct DPMSolverPP: Predictor {
  /// The weights of earlier D.
  public enum Correction: String, Sendable, CaseIterable {
    /// Those of the paper and of the authors' code.
    case published
    /// The integrals of the interpolating polynomial.
    case exact
  }

  /// 2 or 3
  public let order: Int
  /// η: 0 for the probability flow, 1 for the reverse SDE.
  public let eta: Double
  /// How earlier D enter.
  public let correction: Correction
  /// How the earlier D enters steps of order 2 of the method of order 3.
  public let startingCorrection: Correction

  public var requires: Requirements { .kernel }
  public var hasLowerOrders: Bool { true }
  /// For other η it follows other SDEs of the same laws.
  public var limit: Limit { eta == 0 ? .flow : eta == 1 ? .path : .law }

  /// DPM-Solver++ 2M or 3M, deterministic by default.
  /// - Parameters:
  ///   - order: 2 or 3.
  ///   - eta: η ≥ 0.
  ///   - correction: how earlier D enter.
  ///   - startingCorrection: the same of the steps of order 2 that the method of order 3 takes.
  public init(
    order: Int, eta: Double = 0, correction: Correction = .published, startingCorrection: Correction = .exact
  ) {
    precondition(order == 2 || order == 3, "order 2 or 3")
    precondition(eta >= 0, "η ≥ 0")
    self.order = order
    self.eta = eta
    self.correction = correction
    self.startingCorrection = startingCorrection
  }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { try Stepper(self, context) }

  final class Stepper: PredictorStepper {
    private let method: DPMSolverPP
    private let score: LevelEvaluator
    private let walker: any BrownianWalker
    private let normals: Rows
    private let sum = Combination(capacity: 5)
    /// D of this step and of those before it.
    private var now, last, older: Rows
    /// Lengths in λ of the last step and of that before it.
    private var lengths: (last: Double, older: Double)
    private var known = 0

    init(_ method: DPMSolverPP, _ context: SolveContext) throws {
      self.method = method
      score = try LevelEvaluator("dpm-solver++", in: context)
      walker = context.path.makeWalker(for: context.span)
      normals = context.makeRows()
      (now, last, older) = (context.makeRows(), context.makeRows(), context.makeRows())
      lengths = (0, 0)
    }

    func stateChanged() { known = 0 }

    func step(_ x: Rows, _ step: Step) throws {
      let (from, to) = (score.level(at: step.from), score.level(at: step.to))
      try score.denoised(x, at: from, into: now)
      let h = to.logSignalToNoise - from.logSignalToNoise
      let g = (1 + method.eta) * h
      let gain = -expm1(-g)
      var (d, d1, d2) = (gain, 0.0, 0.0)
      let order = min(method.order, known + 1, step.maximumOrder)
      if order == 2 {
        let exact = (method.order == 3 ? method.startingCorrection : method.correction) == .exact
        let c = (exact ? g * phi(2, -g) : 0.5 * gain) * h / lengths.last
        (d, d1) = (d + c, -c)
      } else if order == 3 {
        let (r0, r1) = (lengths.last / h, lengths.older / h)
        // What Δ and Δ² weigh.
        let (first, second) = (g * phi(2, -g), (method.correction == .exact ? 2 : 1) * g * phi(3, -g))
        let a = first * (1 + r0 / (r0 + r1)) + second / (r0 + r1)
        let b = first * r0 / (r0 + r1) + second / (r0 + r1)
        d += a / r0
        d1 = -a / r0 - b / r1
        d2 = b / r1
      }
      // h may be infinite, at σ = 0.
      sum.add(to.deviation / from.deviation * (method.eta > 0 ? exp(-method.eta * h) : 1), x)
      sum.add(to.scale * d, now)
      sum.add(to.scale * d1, last)
      sum.add(to.scale * d2, older)
      if method.eta > 0 {
        walker.increment(from: step.from, to: step.to, step: step.index, into: normals)
        sum.add(to.deviation * (-expm1(-2 * method.eta * h)).squareRoot(), normals)
      }
      sum.write(to: x)
      (now, last, older) = (older, now, last)
      lengths = (h, lengths.last)
      known += 1
    }
  }
}
