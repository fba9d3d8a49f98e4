// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// UniPC of order 2 or 3 in its multistep, data-predicting form (Zhao et al. 2023, algorithms 1, 2 and 5 to 8): a
/// predictor through earlier D, and a corrector that uses the D of the predicted state, which the next step needs
/// anyway. With h = λ_s − λ_t, z = −h and B = z (bh1) or e^z − 1 (bh2):
///
///     x_s = (σ_s/σ_t) x_t − m_s (e^z − 1) D − m_s B Σ_k ρ_k (D_k − D)/r_k,
///
/// where Σ_k ρ_k r_k^{i−1} = i! z φ_{i+1}(z)/B. Of order 2, ρ = ½ as in the authors' code. The first steps are of lower
/// order.
///
/// UniPC's corrector starts the last step anew. Where a Langevin corrector has moved the state since, that step is left
/// as it was, and the next one is a first step again.
///
/// NFE a row: 1 a step; the last state is not corrected.
public struct UniPC: Predictor {
  /// The function B(z), z = −h.
  public enum Variant: String, Sendable, CaseIterable {
    /// B = z
    case bh1
    /// B = e^z − 1
    case bh2
  }

  /// 2 or 3
  public let order: Int
  /// The function B.
  public let variant: Variant

  public var requires: Requirements { .kernel }
  public var hasLowerOrders: Bool { true }

  /// UniPC of an order with a function B.
  /// - Precondition: order 2 or 3.
  public init(order: Int = 3, variant: Variant = .bh2) {
    precondition(order == 2 || order == 3, "order 2 or 3")
    self.order = order
    self.variant = variant
  }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { try Stepper(self, context) }

  final class Stepper: PredictorStepper {
    private let method: UniPC
    private let score: LevelEvaluator
    private let sum = Combination(capacity: 5)
    /// D at this step's start, and at those of the steps before it.
    private var now, last, older, oldest: Rows
    /// λ there.
    private var levels = (now: 0.0, last: 0.0, older: 0.0, oldest: 0.0)
    /// The state that the last step started from.
    private let start: Rows
    private var startLevel: NoiseLevel?
    private var lastOrder = 1
    private var known = 0

    init(_ method: UniPC, _ context: SolveContext) throws {
      self.method = method
      score = try LevelEvaluator("unipc", in: context)
      (now, last, older) = (context.makeRows(), context.makeRows(), context.makeRows())
      (oldest, start) = (context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      let (from, to) = (score.level(at: step.from), score.level(at: step.to))
      try score.denoised(x, at: from, into: now)
      levels.now = from.logSignalToNoise
      if let startLevel { correct(x, from: startLevel, to: from) }
      let order = min(method.order, known + 1, step.maximumOrder)
      start.copy(x)
      startLevel = from
      predict(x, from: from, to: to, order: order)
      lastOrder = order
      (now, last, older, oldest) = (oldest, now, last, older)
      levels = (0, levels.now, levels.last, levels.older)
      known += 1
    }

    func stateChanged() {
      startLevel = nil
      known = 0
    }

    /// B, and b_i = i! z φ_{i+1}(z)/B.
    private func weights(_ h: Double) -> (b: Double, Double, Double, Double) {
      let z = -h
      let b = method.variant == .bh1 ? z : expm1(z)
      return (b, z * phi(2, z) / b, 2 * z * phi(3, z) / b, 6 * z * phi(4, z) / b)
    }

    private func predict(_ x: Rows, from: NoiseLevel, to: NoiseLevel, order: Int) {
      let h = to.logSignalToNoise - from.logSignalToNoise
      sum.add(to.deviation / from.deviation, x)
      var d = -expm1(-h) * to.scale
      if order > 1 {
        let (b, b1, b2, _) = weights(h)
        let (r1, r2) = ((levels.last - levels.now) / h, (levels.older - levels.now) / h)
        var (rho1, rho2) = (0.5, 0.0)
        if order == 3 {
          rho2 = (b2 - r1 * b1) / (r2 - r1)
          rho1 = b1 - rho2
        }
        let (c1, c2) = (-to.scale * b * rho1 / r1, order == 3 ? -to.scale * b * rho2 / r2 : 0)
        d -= c1 + c2
        sum.add(c1, last)
        sum.add(c2, older)
      }
      sum.add(d, now)
      sum.write(to: x)
    }

    /// Makes the last step again, now that D at its end is known: in `now`, with `last` that of its start.
    private func correct(_ x: Rows, from: NoiseLevel, to: NoiseLevel) {
      let h = to.logSignalToNoise - from.logSignalToNoise
      let (b, b1, b2, b3) = weights(h)
      let (r1, r2) = ((levels.older - levels.last) / h, (levels.oldest - levels.last) / h)
      // The weights of the two earlier D, and of the new one, whose r is 1.
      var (rho1, rho2, rho) = (0.0, 0.0, 0.5)
      if lastOrder == 2 {
        rho = (b2 - r1 * b1) / (1 - r1)
        rho1 = b1 - rho
      } else if lastOrder == 3 {
        rho1 = (b3 - (r2 + 1) * b2 + r2 * b1) / ((r1 - r2) * (r1 - 1))
        rho2 = (b3 - (r1 + 1) * b2 + r1 * b1) / ((r2 - r1) * (r2 - 1))
        rho = (b3 - (r1 + r2) * b2 + r1 * r2 * b1) / ((1 - r1) * (1 - r2))
      }
      let c = -to.scale * b
      let (c1, c2) = (lastOrder > 1 ? c * rho1 / r1 : 0, lastOrder > 2 ? c * rho2 / r2 : 0)
      sum.add(to.deviation / from.deviation, start)
      sum.add(-expm1(-h) * to.scale - c1 - c2 - c * rho, last)
      sum.add(c1, older)
      sum.add(c2, oldest)
      sum.add(c * rho, now)
      sum.write(to: x)
    }
  }
}
