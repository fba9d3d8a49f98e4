// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// Exponential Adams–Bashforth of order 1 to 4 (DEIS, Zhang and Chen 2023, with polynomials in ln σ̃ as in diffusers):
///
///     x_s = (m_s/m_t) x_t − m_s σ̃_s ∫₀^h e^{h−u} ε̂(u) du,    h = λ_s − λ_t,
///
/// with ε̂ the polynomial in u = λ − λ_t through this and earlier predictions, integrated exactly:
/// ∫₀^h e^{h−u} uᵏ du = k! h^{k+1} φ_{k+1}(h). The first steps are of lower order.
///
/// NFE a row: 1 a step.
public struct DEIS: Predictor {
  /// 1 to 4
  public let order: Int

  public var requires: Requirements { .kernel }
  public var hasLowerOrders: Bool { order > 1 }

  /// DEIS whose polynomial has so many evaluations.
  /// - Precondition: order 1 to 4.
  public init(order: Int = 3) {
    precondition((1...4).contains(order), "order 1 to 4")
    self.order = order
  }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { try Stepper(order, context) }

  final class Stepper: PredictorStepper {
    private let order: Int
    private let score: LevelEvaluator
    private let sum: Combination
    /// ε̂ and λ, the latest first.
    private var noises: [Rows]
    private var logsSignalToNoise: [Double]
    /// Coefficients of a basis polynomial.
    private var polynomial: [Double]
    private var known = 0

    init(_ order: Int, _ context: SolveContext) throws {
      self.order = order
      score = try LevelEvaluator("deis", in: context)
      sum = Combination(capacity: order + 1)
      noises = (0..<order).map { _ in context.makeRows() }
      logsSignalToNoise = [Double](repeating: 0, count: order)
      polynomial = [Double](repeating: 0, count: order)
    }

    func stateChanged() { known = 0 }

    func step(_ x: Rows, _ step: Step) throws {
      let (from, to) = (score.level(at: step.from), score.level(at: step.to))
      for k in (1..<order).reversed() {
        noises.swapAt(k, k - 1)
        logsSignalToNoise[k] = logsSignalToNoise[k - 1]
      }
      logsSignalToNoise[0] = from.logSignalToNoise
      try score.noise(x, at: from, into: noises[0])
      known = min(order, known + 1)
      let terms = min(known, step.maximumOrder)
      if terms == 1 { return eulerStep(x, noise: noises[0], from: from, to: to) }
      let h = to.logSignalToNoise - from.logSignalToNoise
      sum.add(to.scale / from.scale, x)
      for j in 0..<terms { sum.add(-to.deviation * integral(of: j, terms: terms, h), noises[j]) }
      sum.write(to: x)
    }

    /// ∫₀^h e^{h−u} L_j(u) du for the Lagrange polynomial of node j.
    private func integral(of j: Int, terms: Int, _ h: Double) -> Double {
      for k in 0..<terms { polynomial[k] = 0 }
      polynomial[0] = 1
      var degree = 0
      for i in 0..<terms where i != j {
        let (node, inverse) = (
          logsSignalToNoise[i] - logsSignalToNoise[0], 1 / (logsSignalToNoise[j] - logsSignalToNoise[i])
        )
        // Times (u − node)/(u_j − node).
        degree += 1
        for k in (0...degree).reversed() {
          polynomial[k] = ((k > 0 ? polynomial[k - 1] : 0) - node * (k < degree ? polynomial[k] : 0)) * inverse
        }
      }
      var (total, power, factorial) = (0.0, h, 1.0)
      for k in 0..<terms {
        if k > 0 { factorial *= Double(k) }
        total += polynomial[k] * factorial * power * phi(k + 1, h)
        power *= h
      }
      return total
    }
  }
}
