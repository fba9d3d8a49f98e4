// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers

/// What particles are proposed and weighted by: potentials ψ_t(x) that lead to ψ_ε(x) ≈ p(y | x), and moves that know
/// of them. Whatever they are, the limit of many particles is the same.
public protocol ParticleMethod: Sendable {
  /// A stepper with its own memory for the given particles, owned by one worker.
  /// - Parameters:
  ///   - particles: their places, with the dimension of a state.
  ///   - score: the score that knows nothing of the observation.
  ///   - y: what each particle's row has been seen as.
  ///   - problem: process and times.
  func makeStepper(
    for particles: RowSpan, score: any ScoreEvaluator, observation y: Rows, in problem: SamplingProblem
  ) throws -> any ParticleStepper
  /// How many evaluations of the score, or products with its Jacobian, a particle's step takes.
  var evaluationsPerStep: Int { get }
}

/// A method at work on some particles.
public protocol ParticleStepper: AnyObject {
  /// Writes ln ψ_t(x) of every particle, and keeps what a move from x needs.
  func weigh(_ x: Rows, at t: Double, into out: UnsafeMutablePointer<Double>) throws

  /// Every particle becomes a copy of another: what was kept moves along.
  func resample(_ parents: [Int])

  /// Moves particles from t to s, x_s ~ q(x_s | x_t), and writes ln p(x_s | x_t) − ln q(x_s | x_t), where p is the step
  /// without an observation. A method that knows ∫ p ψ_s may write its logarithm less ln ψ_s(x_s).
  /// - Parameters:
  ///   - x: the particles, which `weigh` has seen last, or their copies.
  ///   - step: its times.
  ///   - transition: p
  ///   - z: standard normals of the shape of x, which are used up.
  ///   - out: a value for every particle.
  func move(
    _ x: Rows, _ step: Step, _ transition: GaussianTransition, normals z: Rows, into out: UnsafeMutablePointer<Double>
  )
}

/// Memory of one number for every particle.
final class Numbers {
  let values: UnsafeMutablePointer<Double>
  private let spare: UnsafeMutablePointer<Double>
  private let count: Int

  init(_ count: Int) {
    self.count = count
    values = .allocate(capacity: max(1, count))
    spare = .allocate(capacity: max(1, count))
    values.initialize(repeating: 0, count: count)
    spare.initialize(repeating: 0, count: count)
  }

  deinit {
    values.deallocate()
    spare.deallocate()
  }

  subscript(_ i: Int) -> Double {
    get { values[i] }
    set { values[i] = newValue }
  }

  /// Every number becomes another's.
  func gather(_ parents: [Int]) {
    spare.update(from: values, count: count)
    for (i, parent) in parents.enumerated() { values[i] = spare[parent] }
  }
}

extension Rows {
  /// Every row becomes a copy of another, by way of spare memory of the same shape.
  func gather(_ parents: [Int], spare: Rows) {
    spare.copy(self)
    for (i, parent) in parents.enumerated() where i != parent {
      (values + i * dimension).update(from: spare.values + parent * dimension, count: dimension)
    }
  }
}
