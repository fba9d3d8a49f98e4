// SPDX-License-Identifier: GPL-3.0-or-later
import Solvers
import Testing

/// Conditions of order, to rounding.
@Suite("Tableaux") struct TableauTests {
  /// Against ∫ W ds = h (½ ΔW + H) and ∫ E W² ds = ½ h², Rößler's conditions of strong order 1.5 for additive noise.
  @Test("methods of strong order 1.5 fulfil its conditions", arguments: [AdditiveTableau.sra1, .shark])
  func strongOrder(tableau: AdditiveTableau) {
    func total(_ noise: [AdditiveTableau.Noise]) -> (increment: Double, area: Double) {
      noise.reduce((0, 0)) { ($0.0 + $1.increment, $0.1 + $1.area) }
    }
    let shift = total(tableau.shift)
    var (node, increment, area, square) = (0.0, 0.0, 0.0, 0.0)
    for (weight, stage) in zip(tableau.weights, tableau.stages) {
      let own = total(stage.noise)
      let (z, a) = (own.increment + shift.increment, own.area + shift.area)
      node += weight * stage.drift.reduce(0, +)
      increment += weight * z
      area += weight * a
      // ΔW has variance h and H h/12.
      square += weight * (z * z + a * a / 12)
    }
    for (found, expected) in [(node, 0.5), (increment, 0.5), (area, 1), (square, 0.5)] {
      #expect(abs(found - expected) < 1e-15)
    }
    let whole = total(tableau.noise)
    #expect(abs(whole.increment - 1) < 1e-15 && abs(whole.area) < 1e-15)
  }

  private static let pairs: [(tableau: ButcherTableau, order: Int)] = [
    (.midpoint, 2), (.heun, 2), (.bogackiShampine, 3), (.rk4, 4),
  ]

  /// Σ b c^(k−1) = 1/k and Σ b_i a_ij c_j = 1/6 (Hairer, Nørsett and Wanner 1993, section II.1).
  @Test("Runge–Kutta methods fulfil the conditions of their order", arguments: pairs.indices)
  func order(index: Int) {
    let (tableau, order) = Self.pairs[index]
    let nodes = tableau.stages.map { $0.reduce(0, +) }
    var power = nodes.map { _ in 1.0 }
    for k in 1...order {
      let sum = zip(tableau.weights, power).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(sum - 1 / Double(k)) < 1e-15, "\(k)")
      power = zip(power, nodes).map { $0 * $1 }
    }
    if order > 2 {
      let sum = zip(tableau.weights, tableau.stages).reduce(0) { sum, stage in
        sum + stage.0 * zip(stage.1, nodes).reduce(0) { $0 + $1.0 * $1.1 }
      }
      #expect(abs(sum - 1.0 / 6) < 1e-15)
    }
  }
}
