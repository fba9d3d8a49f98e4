// SPDX-License-Identifier: GPL-3.0-or-later

/// The numbers of an explicit Runge–Kutta method for dx/dτ = F(x, τ) (Butcher 1964):
///
///     k_i = F(x + h Σ_j a_ij k_j, τ + c_i h),   x ← x + h Σ_i b_i k_i,   c_i = Σ_j a_ij.
///
/// A pair has a less accurate method inside it, with weights b̂ of the same stages: the difference of the two results
/// tells how long a step may be.
public struct ButcherTableau: Sendable, Equatable {
  /// a_ij: the numbers of stage i, one for each stage before it.
  public let stages: [[Double]]
  /// b_i
  public let weights: [Double]
  /// b̂_i − b_i, which sum to 0; nil where there is no method inside.
  public let difference: [Double]?
  /// The power of h that the difference of the two results falls with: the inner method's order + 1.
  public let errorOrder: Double

  /// - Parameters:
  ///   - stages: a_ij, stage by stage: none for the first, one number for the second, and so on.
  ///   - weights: b_i, one for each stage; they sum to 1.
  ///   - difference: b̂_i − b_i, one for each stage; nil for a method without an error estimate.
  ///   - errorOrder: the order of the method inside + 1; without one it says nothing.
  /// - Precondition: as many numbers as said here.
  public init(stages: [[Double]], weights: [Double], difference: [Double]? = nil, errorOrder: Double = 2) {
    precondition(
      !stages.isEmpty && stages.indices.allSatisfy { stages[$0].count == $0 },
      "stage i of an explicit method has i − 1 numbers")
    precondition(
      weights.count == stages.count && abs(weights.reduce(0, +) - 1) < 1e-12, "a weight for each stage; they sum to 1")
    if let difference {
      precondition(
        difference.count == stages.count && abs(difference.reduce(0, +)) < 1e-12,
        "a difference for each stage; they sum to 0")
    }
    (self.stages, self.weights, self.difference, self.errorOrder) = (stages, weights, difference, errorOrder)
  }
}

extension ButcherTableau {
  /// Euler's method, of order 1.
  public static let euler = ButcherTableau(stages: [[]], weights: [1])

  /// The midpoint rule, of order 2 (Runge 1895), with Euler's method inside.
  public static let midpoint = ButcherTableau(
    stages: [[], [0.5]], weights: [0, 1], difference: [1, -1], errorOrder: 2)

  /// The trapezoidal rule with Euler's step as its guess, of order 2 (Heun 1900), with Euler's method inside.
  public static let heun = ButcherTableau(
    stages: [[], [1]], weights: [0.5, 0.5], difference: [0.5, -0.5], errorOrder: 2)

  /// The classical method of order 4 (Kutta 1901).
  public static let rk4 = ButcherTableau(
    stages: [[], [0.5], [0, 0.5], [0, 0, 1]],
    weights: [1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6])

  /// The pair of orders 3 and 2 of Bogacki and Shampine (1989).
  public static let bogackiShampine = ButcherTableau(
    stages: [[], [1.0 / 2], [0, 3.0 / 4], [2.0 / 9, 1.0 / 3, 4.0 / 9]],
    weights: [2.0 / 9, 1.0 / 3, 4.0 / 9, 0],
    difference: [5.0 / 72, -1.0 / 12, -1.0 / 9, 1.0 / 8], errorOrder: 3)
}
