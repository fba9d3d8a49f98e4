// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores
import Solvers

/// MCG-Diff's particles (Cardoso et al. 2023) for y = A x + Gaussian noise: ψ_t(x) = N(y; A x/m, C + σ̃² A Aᵀ), the
/// likelihood of y as if x/m were data and noise alike, and moves that are drawn from p(x_s | x_t) ψ_s(x_s) itself,
/// which is Gaussian. No product with a Jacobian is needed.
///
/// The paper's ψ has σ̃² A Aᵀ alone for as long as that is above C and stops there; with C added throughout, ψ_ε is the
/// likelihood itself up to ε's noise.
public struct ConjugateMethod: ParticleMethod {
  private let observation: SpectralObservation

  /// - Throws: `InputError` for an observation of another form.
  public init(_ model: any ObservationModel) throws {
    guard let linear = model.linear else {
      throw InputError("mcg-diff needs an observation y = A x + Gaussian noise; allowed for others: tds")
    }
    observation = SpectralObservation(linear)
  }

  public var evaluationsPerStep: Int { 1 }

  public func makeStepper(
    for particles: RowSpan, score: any ScoreEvaluator, observation y: Rows, in problem: SamplingProblem
  ) throws -> any ParticleStepper {
    Stepper(observation, particles, score, y, try problem.requireKernel(for: "smc"), seed: problem.seed)
  }

  final class Stepper: ParticleStepper {
    private let observation: SpectralObservation
    private let score: any ScoreEvaluator
    private let kernel: any PerturbationKernel
    private let stream: NoiseStream
    private let s, spare, pull: RowStorage
    private let y, seen, noise: RowStorage

    init(
      _ observation: SpectralObservation, _ particles: RowSpan, _ score: any ScoreEvaluator, _ y: Rows,
      _ kernel: any PerturbationKernel, seed: UInt64
    ) {
      (self.observation, self.score, self.kernel) = (observation, score, kernel)
      stream = NoiseStream(seed: seed, purpose: .particleObservation)
      (s, spare, pull) = (RowStorage(particles), RowStorage(particles), RowStorage(particles))
      (self.y, seen, noise) = (RowStorage(y.span), RowStorage(y.span), RowStorage(y.span))
      observation.write(y, into: self.y.rows)
    }

    /// y' − A' x/m
    private func residuals(_ x: Rows, _ scale: Double) -> Rows {
      let r = seen.rows
      observation.matrix.multiply(x, into: r)
      ck_combine(r.values, 1, y.rows.values, -1 / scale, r.values, r.size)
      return r
    }

    func weigh(_ x: Rows, at t: Double, into out: UnsafeMutablePointer<Double>) throws {
      let moments = kernel.moments(at: t)
      try score.evaluate(x, at: .all(t), into: s.rows)
      let r = residuals(x, moments.scale)
      let k = moments.variance / (moments.scale * moments.scale)
      for i in 0..<x.count { out[i] = observation.logDensity(r.values + i * r.dimension, spread: k) }
    }

    func resample(_ parents: [Int]) { s.rows.gather(parents, spare: spare.rows) }

    func move(
      _ x: Rows, _ step: Step, _ transition: GaussianTransition, normals z: Rows,
      into out: UnsafeMutablePointer<Double>
    ) {
      let (a, b, c) = (transition.state, transition.score, transition.deviation)
      let moments = kernel.moments(at: step.to)
      let (m, n) = (moments.scale, observation.count)
      let k = moments.variance / (m * m)
      ck_combine(x.values, a, x.values, b, s.rows.values, x.size)
      // ∫ p ψ_s = N(y; A μ/m, C + (σ̃² + c²/m²) A Aᵀ)
      var r = residuals(x, m)
      for i in 0..<x.count { out[i] = observation.logDensity(r.values + i * n, spread: k + c * c / (m * m)) }
      // A draw of x and y together, moved to the y that was seen: x + c² Bᵀ (S + c² B Bᵀ)⁻¹ (y − y*).
      ck_add_scaled(x.values, z.values, c, x.size)
      stream.normals(into: noise.rows, step: step.index)
      r = residuals(x, m)
      for i in 0..<x.count {
        let (row, e) = (r.values + i * n, noise.rows.values + i * n)
        for j in 0..<n {
          let d = observation.squares[j]
          row[j] = (row[j] - (1 + k * d).squareRoot() * e[j]) * c * c / m / (1 + (k + c * c / (m * m)) * d)
        }
      }
      observation.matrix.multiplyTransposed(r, into: pull.rows)
      ck_add_scaled(x.values, pull.rows.values, 1, x.size)
      r = residuals(x, m)
      for i in 0..<x.count { out[i] -= observation.logDensity(r.values + i * n, spread: k) }
    }
  }
}

extension Purpose {
  /// The normals of observations that `ConjugateMethod` draws beside particles.
  static let particleObservation = Purpose(rawValue: 74)
}
