// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// Adams–Bashforth in σ̃ = σ/m over uneven steps: with y = x/m, dy/dσ̃ = ε̂, and
///
///     y_s = y_t + Σ_j ε̂_j ∫ L_j(σ̃) dσ̃  from σ̃_t to σ̃_s,
///
/// L_j the Lagrange polynomials through the last `order` values of σ̃ (k-diffusion's LMS by K. Crowson). The first
/// steps are of lower order.
///
/// NFE a row: 1 a step.
public struct LinearMultistep: Predictor {
  /// 1 to 4
  public let order: Int
  /// σ̃ before the first step, the latest first: nodes of polynomials whose ε̂ are not known, and left out of the sum
  /// as diffusers does where it begins in the middle.
  let earlierNoise: [Double]

  public var requires: Requirements { .kernel }
  public var hasLowerOrders: Bool { order > 1 }

  /// The method of an order.
  /// - Precondition: order 1 to 4.
  public init(order: Int = 4) { self.init(order: order, earlierNoise: []) }

  init(order: Int, earlierNoise: [Double]) {
    precondition((1...4).contains(order), "order 1 to 4")
    self.order = order
    self.earlierNoise = earlierNoise
  }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper { try Stepper(self, context) }

  final class Stepper: PredictorStepper {
    private let order: Int
    private let score: LevelEvaluator
    private let sum: Combination
    /// ε̂ and σ̃, the latest first.
    private var noises: [Rows]
    private var levels: [Double]
    private var nodes: Int
    private var known = 0

    init(_ method: LinearMultistep, _ context: SolveContext) throws {
      order = method.order
      score = try LevelEvaluator("lms", in: context)
      sum = Combination(capacity: method.order + 1)
      noises = (0..<method.order).map { _ in context.makeRows() }
      let earlier = method.earlierNoise.prefix(method.order)
      levels = Array(earlier) + [Double](repeating: 0, count: method.order - earlier.count)
      nodes = earlier.count
    }

    func stateChanged() { (known, nodes) = (0, 0) }

    func step(_ x: Rows, _ step: Step) throws {
      let (from, to) = (score.level(at: step.from), score.level(at: step.to))
      for k in (1..<order).reversed() {
        noises.swapAt(k, k - 1)
        levels[k] = levels[k - 1]
      }
      levels[0] = from.noiseToSignal
      try score.noise(x, at: from, into: noises[0])
      (known, nodes) = (min(order, known + 1), min(order, nodes + 1))
      let terms = min(nodes, step.maximumOrder)
      sum.add(to.scale / from.scale, x)
      for j in 0..<min(terms, known) {
        sum.add(to.scale * integral(of: j, terms: terms, to: to.noiseToSignal), noises[j])
      }
      sum.write(to: x)
    }

    /// ∫ L_j from the last σ̃ to `end`: two points of Gauss and Legendre are exact for degree 3.
    private func integral(of j: Int, terms: Int, to end: Double) -> Double {
      let (middle, half) = (0.5 * (end + levels[0]), 0.5 * (end - levels[0]))
      var total = 0.0
      for point in [-1, 1] {
        let place = middle + Double(point) * half / 3.0.squareRoot()
        var product = 1.0
        for i in 0..<terms where i != j { product *= (place - levels[i]) / (levels[j] - levels[i]) }
        total += product
      }
      return half * total
    }
  }
}
