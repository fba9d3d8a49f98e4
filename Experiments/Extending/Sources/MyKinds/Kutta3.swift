// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

extension ButcherTableau {
  /// A Runge–Kutta method is its numbers: Kutta's of order 3 (1901), for the probability flow of every process.
  static let kutta3 = ButcherTableau(
    stages: [[], [1.0 / 2], [-1, 2]],
    weights: [1.0 / 6, 2.0 / 3, 1.0 / 6])
}

extension Kind<any Predictor> {
  static let kutta3 = Kind("kutta3", "Kutta's method of order 3 for the probability flow in t") { _, _ in
    RungeKutta(.kutta3)
  }
}
