// SPDX-License-Identifier: GPL-3.0-or-later

/// The numbers of an explicit stochastic Runge–Kutta method for dx = F(x, τ) dτ + g(τ) dB, whose noise does not depend
/// on the state (Rößler 2010; Foster, dos Reis and Strange 2024). With ΔB the increment over a step and H = 1/h ∫ (B −
/// B_τ) dτ − ½ ΔB the area between path and chord:
///
///     x̃ = x + shift,   H_i = x̃ + h Σ_j a_ij F_j + noise_i,   F_i = F(H_i, τ + c_i h),   c_i = Σ_j a_ij,
///     x ← x + h Σ_i b_i F_i + noise,
///
/// where the shift and every noise are sums of terms g(τ + c h) (p ΔB + q H).
public struct AdditiveTableau: Sendable, Equatable {
  /// A term g(τ + c h) (p ΔB + q H).
  public struct Noise: Sendable, Equatable {
    /// c: where in the step g is taken.
    public let node: Double
    /// p and q
    public let increment, area: Double

    /// g(τ + c h) (p ΔB + q H) with c = `node`, p = `increment` and q = `area`.
    public init(at node: Double, increment: Double = 0, area: Double = 0) {
      (self.node, self.increment, self.area) = (node, increment, area)
    }
  }

  /// Where a drift is evaluated.
  public struct Stage: Sendable, Equatable {
    /// a_ij, one for each stage before this one.
    public let drift: [Double]
    /// The terms of noise_i.
    public let noise: [Noise]

    /// A stage with a number for the drift of each stage before it, and its noise.
    public init(drift: [Double] = [], noise: [Noise] = []) { (self.drift, self.noise) = (drift, noise) }
  }

  /// The less accurate method inside, which tells how long a step may be. A step of first order is its.
  public enum Inner: Sendable, Equatable {
    /// The weights b̂_i of its drifts less b_i, which sum to 0. A step of first order has all drifts at the first
    /// stage.
    case difference([Double])
    /// It ends where this stage stands, counted from 0.
    case stage(Int)
  }

  /// What is added to the state before all stages.
  public let shift: [Noise]
  /// The stages in their order.
  public let stages: [Stage]
  /// b_i
  public let weights: [Double]
  /// The noise of the result.
  public let noise: [Noise]
  /// The less accurate method inside.
  public let inner: Inner
  /// The power of h that the difference of the two results falls with.
  public let errorOrder: Double

  /// - Parameters:
  ///   - shift: what is added to the state before all stages; it is no part of the result.
  ///   - stages: each with a number for the drift of each stage before it, and with its noise.
  ///   - weights: b_i, one for each stage; they sum to 1.
  ///   - noise: the noise of the result.
  ///   - inner: the less accurate method inside.
  ///   - errorOrder: the power of h that the difference of the two results falls with.
  /// - Precondition: as many numbers as said here.
  public init(
    shift: [Noise] = [], stages: [Stage], weights: [Double], noise: [Noise], inner: Inner, errorOrder: Double = 1.5
  ) {
    precondition(
      !stages.isEmpty && stages.indices.allSatisfy { stages[$0].drift.count == $0 },
      "stage i of an explicit method has i − 1 numbers")
    precondition(
      weights.count == stages.count && abs(weights.reduce(0, +) - 1) < 1e-12, "a weight for each stage; they sum to 1")
    switch inner {
    case .difference(let difference):
      precondition(
        difference.count == stages.count && abs(difference.reduce(0, +)) < 1e-12,
        "a difference for each stage; they sum to 0")
    case .stage(let index): precondition(stages.indices.contains(index), "one of the stages")
    }
    (self.shift, self.stages, self.weights) = (shift, stages, weights)
    (self.noise, self.inner, self.errorOrder) = (noise, inner, errorOrder)
  }

  /// Whether H is asked for.
  var usesArea: Bool { (shift + noise + stages.flatMap(\.noise)).contains { $0.area != 0 } }
}

extension AdditiveTableau {
  /// Heun's method: x̃ = x + h F(x) + g ΔB is the embedded Euler–Maruyama step, then drift and noise are means of both
  /// ends. Strong order 1, weak order 2 in its deterministic part (Kloeden and Platen 1992, section 15.1).
  /// Jolicoeur-Martineau et al. 2021 take it adaptively (their algorithm 1); for noise that depends on the state it
  /// would solve the Stratonovich equation, which is another one.
  public static let heun = AdditiveTableau(
    stages: [Stage(), Stage(drift: [1], noise: [Noise(at: 0, increment: 1)])],
    weights: [0.5, 0.5],
    noise: [Noise(at: 0, increment: 0.5), Noise(at: 1, increment: 0.5)],
    inner: .stage(1))

  /// SRA1 of strong order 1.5 (Rößler 2010, table 6.3), written with χ = 1/h ∫ (B − B_τ) dτ = ½ ΔB + H. The method
  /// inside has both drifts at x, and order 1.
  public static let sra1 = AdditiveTableau(
    stages: [Stage(), Stage(drift: [0.75], noise: [Noise(at: 1, increment: 0.75, area: 1.5)])],
    weights: [1.0 / 3, 2.0 / 3],
    noise: [Noise(at: 1, increment: 0.5, area: -1), Noise(at: 0, increment: 0.5, area: 1)],
    inner: .difference([2.0 / 3, -2.0 / 3]))

  /// The shifted method ShARK of strong order 1.5 (Foster, dos Reis and Strange 2024, eq. 6.1). Its noise is ∫ g dB for
  /// a g that is linear in time; the method inside has both drifts at x̃, and order 1.
  public static let shark = AdditiveTableau(
    shift: [Noise(at: 0, area: 1)],
    stages: [Stage(), Stage(drift: [5.0 / 6], noise: [Noise(at: 0, increment: 5.0 / 6)])],
    weights: [0.4, 0.6],
    noise: [Noise(at: 0, increment: 0.5, area: 1), Noise(at: 1, increment: 0.5, area: -1)],
    inner: .difference([0.6, -0.6]))
}
