// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores
import Solvers

/// The twisted diffusion sampler (Wu et al. 2023): ψ_t(x) = p(y | x̂₀(x, t)) for Tweedie's mean x̂₀, and steps along
/// the score s + ∇ ln ψ. For observations y = A x + noise, what is not known of x₀ given x_t may be counted in ψ:
/// N(y; A x̂₀, C + A V Aᵀ).
public struct TwistedMethod: ParticleMethod {
  /// p(y | x)
  public let model: any ObservationModel
  /// V
  public let spread: Spread

  /// What ψ takes for the covariance V of x₀ given x_t.
  public enum Spread: Sendable, Equatable {
    /// 0, as Wu et al.
    case none
    /// r² I with r² = σ̃² d²/(σ̃² + d²): right for data N(0, d² I), as ΠGDM has it (Song et al. 2023).
    case isotropic(deviation: Double)
    /// σ̃² (I + v ∂s/∂x) = Cov[x₀ | x_t], as TMPD has it (Boys et al. 2024); a product with the Jacobian for every
    /// value of y.
    case jacobian
  }

  /// - Throws: `InputError` for a spread of an observation that is not linear.
  public init(_ model: any ObservationModel, spread: Spread = .none) throws {
    guard spread == .none || model.linear != nil else {
      throw InputError("a spread needs an observation y = A x + Gaussian noise; allowed for others: spread: none")
    }
    (self.model, self.spread) = (model, spread)
  }

  public var evaluationsPerStep: Int { spread == .jacobian ? 1 + model.observedDimension : 2 }

  public func makeStepper(
    for particles: RowSpan, score: any ScoreEvaluator, observation y: Rows, in problem: SamplingProblem
  ) throws -> any ParticleStepper {
    let kernel = try problem.requireKernel(for: "smc")
    switch spread {
    case .none:
      return TwistedStepper(
        particles, kernel, score, DenoisedPotential(model.makeEvaluator(for: particles), y, particles))
    case .isotropic(let deviation):
      let potential = SpreadPotential(SpectralObservation(model.linear!), y, particles, deviation: deviation)
      return TwistedStepper(particles, kernel, score, potential)
    case .jacobian:
      let potential = JacobianPotential(SpectralObservation(model.linear!), y, particles, score)
      return TwistedStepper(particles, kernel, score, potential)
    }
  }
}

/// ln ψ as a function of x̂₀(x), with its gradient in x.
protocol TwistPotential: AnyObject {
  /// - Parameters:
  ///   - mean: x̂₀ = (x + v s)/m of every particle.
  ///   - moments: m and v.
  ///   - pull: writes (∂x̂₀/∂x)ᵀ u.
  ///   - out: ln ψ of every particle.
  ///   - gradient: ∇ₓ ln ψ.
  func evaluate(
    _ mean: Rows, _ moments: Moments, pull: (_ u: Rows, _ out: Rows) throws -> Void,
    into out: UnsafeMutablePointer<Double>, gradient: Rows
  ) throws
}

final class TwistedStepper: ParticleStepper {
  private let kernel: any PerturbationKernel
  private let score: any ScoreEvaluator
  private let potential: any TwistPotential
  private let storages: [RowStorage]
  private let s, mean, gradient, spare: Rows

  init(
    _ particles: RowSpan, _ kernel: any PerturbationKernel, _ score: any ScoreEvaluator, _ potential: any TwistPotential
  ) {
    (self.kernel, self.score, self.potential) = (kernel, score, potential)
    storages = (0..<4).map { _ in RowStorage(particles) }
    (s, mean, gradient, spare) = (storages[0].rows, storages[1].rows, storages[2].rows, storages[3].rows)
  }

  func weigh(_ x: Rows, at t: Double, into out: UnsafeMutablePointer<Double>) throws {
    let moments = kernel.moments(at: t)
    let (m, v) = (moments.scale, moments.variance)
    try score.linearise(x, at: .all(t), into: s)
    ck_combine(mean.values, 1 / m, x.values, v / m, s.values, x.size)
    try potential.evaluate(
      mean, moments,
      pull: { [score] u, out in
        try score.pullback(u, into: out)
        ck_combine(out.values, 1 / m, u.values, v / m, out.values, out.size)
      }, into: out, gradient: gradient)
    // A gradient that is no number pulls nowhere: its particle has no weight, or a wrong one that the weights mend.
    for i in 0..<gradient.size where !gradient.values[i].isFinite { gradient.values[i] = 0 }
  }

  func resample(_ parents: [Int]) {
    s.gather(parents, spare: spare)
    gradient.gather(parents, spare: spare)
  }

  func move(
    _ x: Rows, _ step: Step, _ transition: GaussianTransition, normals z: Rows, into out: UnsafeMutablePointer<Double>
  ) {
    let (a, b, c) = (transition.state, transition.score, transition.deviation)
    let d = x.dimension
    // x_s − μ = c z + b g: ln p − ln q = −½ |z + (b/c) g|² + ½ |z|²
    let ratio = c > 0 ? b / c : 0
    for i in 0..<x.count {
      let (z, g) = (z.values + i * d, gradient.values + i * d)
      var (product, square) = (0.0, 0.0)
      for j in 0..<d {
        product += z[j] * g[j]
        square += g[j] * g[j]
      }
      out[i] = -ratio * product - 0.5 * ratio * ratio * square
    }
    ck_combine3(x.values, a, x.values, b, s.values, c, z.values, x.size)
    ck_add_scaled(x.values, gradient.values, b, x.size)
  }
}

/// p(y | x̂₀)
final class DenoisedPotential: TwistPotential {
  private let model: any ObservationEvaluator
  private let y: Rows
  private let slopes: RowStorage

  init(_ model: any ObservationEvaluator, _ y: Rows, _ particles: RowSpan) {
    (self.model, self.y) = (model, y)
    slopes = RowStorage(particles)
  }

  func evaluate(
    _ mean: Rows, _ moments: Moments, pull: (Rows, Rows) throws -> Void, into out: UnsafeMutablePointer<Double>,
    gradient: Rows
  ) throws {
    model.logLikelihood(mean, of: y, into: out)
    model.gradient(mean, of: y, into: slopes.rows)
    try pull(slopes.rows, gradient)
  }
}

/// N(y; A x̂₀, C + r² A Aᵀ)
final class SpreadPotential: TwistPotential {
  private let observation: SpectralObservation
  private let deviation: Double
  private let y, residuals: RowStorage
  private let slopes: RowStorage

  init(_ observation: SpectralObservation, _ y: Rows, _ particles: RowSpan, deviation: Double) {
    (self.observation, self.deviation) = (observation, deviation)
    self.y = RowStorage(y.span)
    observation.write(y, into: self.y.rows)
    residuals = RowStorage(y.span)
    slopes = RowStorage(particles)
  }

  func evaluate(
    _ mean: Rows, _ moments: Moments, pull: (Rows, Rows) throws -> Void, into out: UnsafeMutablePointer<Double>,
    gradient: Rows
  ) throws {
    let (noise, data) = (moments.variance / (moments.scale * moments.scale), deviation * deviation)
    let k = noise * data / (noise + data)
    let r = residuals.rows
    observation.matrix.multiply(mean, into: r)
    ck_combine(r.values, 1, y.rows.values, -1, r.values, r.size)
    for i in 0..<mean.count {
      let row = r.values + i * r.dimension
      out[i] = observation.logDensity(row, spread: k)
      for j in 0..<r.dimension { row[j] /= 1 + k * observation.squares[j] }
    }
    observation.matrix.multiplyTransposed(r, into: slopes.rows)
    try pull(slopes.rows, gradient)
  }
}

/// N(y; A x̂₀, C + A Cov[x₀ | x_t] Aᵀ) with (v/m) ∂x̂₀/∂x for the covariance. The gradient takes this as constant.
final class JacobianPotential: TwistPotential {
  private let observation: SpectralObservation
  private let y, residuals: RowStorage
  private let direction: RowStorage
  private let products: [RowStorage]
  private var root: [Double]

  init(_ observation: SpectralObservation, _ y: Rows, _ particles: RowSpan, _ score: any ScoreEvaluator) {
    self.observation = observation
    self.y = RowStorage(y.span)
    observation.write(y, into: self.y.rows)
    residuals = RowStorage(y.span)
    direction = RowStorage(particles)
    products = (0..<observation.count).map { _ in RowStorage(particles) }
    root = [Double](repeating: 0, count: observation.count * observation.count)
  }

  func evaluate(
    _ mean: Rows, _ moments: Moments, pull: (Rows, Rows) throws -> Void, into out: UnsafeMutablePointer<Double>,
    gradient: Rows
  ) throws {
    let (n, d, r) = (observation.count, mean.dimension, residuals.rows)
    observation.matrix.multiply(mean, into: r)
    ck_combine(r.values, 1, y.rows.values, -1, r.values, r.size)
    // u_k = (∂x̂₀/∂x)ᵀ a_k of every row a_k of A'.
    for k in 0..<n {
      direction.rows.fill(0)
      for (column, value) in observation.matrix.row(k) {
        for i in 0..<mean.count { direction.rows.values[i * d + column] = value }
      }
      try pull(direction.rows, products[k].rows)
    }
    let factor = moments.variance / moments.scale
    gradient.fill(0)
    for i in 0..<mean.count {
      for k in 0..<n {
        let u = products[k].rows.values + i * d
        for l in 0...k {
          var sum = 0.0
          for (column, value) in observation.matrix.row(l) { sum += value * u[column] }
          root[k * n + l] = factor * sum + (k == l ? 1 : 0)
        }
      }
      let row = r.values + i * n
      out[i] = solve(row) + observation.logDensity(row, spread: 0)
      // What `solve` has left in `row` is S⁻¹ r.
      for k in 0..<n { ck_add_scaled(gradient.values + i * d, products[k].rows.values + i * d, row[k], d) }
    }
  }

  /// Replaces r by S⁻¹ r, S as its lower triangle lies in `root`. A Jacobian of a network may leave S without a root:
  /// pivots are at least 1, the variance of the noise.
  /// - Returns: what is to be added to ln N(S⁻¹ r; 0, I) for ln N(r; 0, S).
  private func solve(_ r: UnsafeMutablePointer<Double>) -> Double {
    let n = observation.count
    var logRoot = 0.0
    for i in 0..<n {
      for j in 0...i {
        var sum = root[i * n + j]
        for k in 0..<j { sum -= root[i * n + k] * root[j * n + k] }
        root[i * n + j] = i > j ? sum / root[j * n + j] : max(1, sum).squareRoot()
      }
      logRoot += log(root[i * n + i])
    }
    var square = 0.0
    for i in 0..<n {
      for k in 0..<i { r[i] -= root[i * n + k] * r[k] }
      r[i] /= root[i * n + i]
      square += r[i] * r[i]
    }
    for i in (0..<n).reversed() {
      for k in i + 1..<n { r[i] -= root[k * n + i] * r[k] }
      r[i] /= root[i * n + i]
    }
    var left = 0.0
    for i in 0..<n { left += r[i] * r[i] }
    return -logRoot - 0.5 * square + 0.5 * left
  }
}
