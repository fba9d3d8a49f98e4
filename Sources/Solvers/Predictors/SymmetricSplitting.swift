// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// The symmetric splitting sampler (Dockhorn, Vahdat and Kreis 2022, algorithm 1; there for critically damped Langevin
/// diffusion), for every linear process: half a step of what the reverse SDE does to a Gaussian, in closed form; a
/// whole Euler step of what is left of the score, at the middle; and half a step again.
///
/// For data whose states have covariance P_t the score is −P_t⁻¹ x, and with x_t = R x_u + Q^½ z
///
///     x_u | x_t ~ N(K x_t, P_u − K R P_u),   K = P_u Rᵀ P_t⁻¹;   x ← x + h G Gᵀ (s(x, u) + P_u⁻¹ x).
///
/// P_t is the prior's covariance where the process keeps it (VP, OU, CLD), else that of data of unit variance. It
/// converges in law.
///
/// NFE a row: 1 a step.
public struct SymmetricSplitting: Predictor {
  /// The method has no parameters.
  public init() {}

  public var requires: Requirements { .additiveNoise }
  public var limit: Limit { .law }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper {
    let prepared = context.problem.prepared
    guard let process = prepared.linear, let kernel = prepared.kernel, let prior = prepared.priorCovariance else {
      throw InputError("sscs needs a linear process")
    }
    return Stepper(process, kernel, prior, context)
  }

  final class Stepper: PredictorStepper {
    private let process: any LinearSDE
    private let kernel: any PerturbationKernel
    /// P, where it does not change.
    private let stationary: Matrix?
    private let evaluator: CountingEvaluator
    private let walker: any BrownianWalker
    private let score, noise, next: Rows

    init(
      _ process: any LinearSDE, _ kernel: any PerturbationKernel, _ prior: Matrix, _ context: SolveContext
    ) {
      self.process = process
      self.kernel = kernel
      stationary = Self.stationaryCovariance(process, prior)
      evaluator = context.score
      walker = context.path.makeWalker(for: context.span)
      (score, noise, next) = (context.makeRows(), context.makeRows(), context.makeRows())
    }

    /// The prior's covariance where A P + P Aᵀ + G Gᵀ = 0 at all times.
    private static func stationaryCovariance(_ process: any LinearSDE, _ p: Matrix) -> Matrix? {
      for k in 1...8 {
        let t = process.duration * Double(k) / 8
        let (a, g) = (process.driftMatrix(at: t) * p, process.diffusionMatrix(at: t))
        let noise = g * g.transpose
        let rest = a + a.transpose + noise
        let size = noise.values.reduce(0) { max($0, abs($1)) }
        guard rest.values.allSatisfy({ abs($0) <= 1e-12 * size }) else { return nil }
      }
      return p
    }

    func step(_ x: Rows, _ step: Step) throws {
      let middle = 0.5 * (step.from + step.to)
      glide(x, from: step.from, to: middle, index: 2 * step.index)
      try evaluator.evaluate(x, at: .all(middle), into: score)
      next.copy(x)
      process.addScoreDrift(score, x, at: middle, times: step.length, to: next)
      let g = process.diffusionMatrix(at: middle)
      next.add(g * g.transpose * covariance(kernel.moments(at: middle)).inverse, x, times: step.length)
      x.copy(next)
      glide(x, from: middle, to: step.to, index: 2 * step.index + 1)
    }

    private func covariance(_ moments: Moments) -> Matrix {
      if let stationary { return stationary }
      let map = moments.signal.matrix
      return map * map.transpose + moments.covariance.matrix
    }

    /// The reverse SDE of Gaussian data, exactly.
    private func glide(_ x: Rows, from t: Double, to u: Double, index: Int) {
      let (later, earlier) = (kernel.moments(at: t), kernel.moments(at: u))
      let (pt, pu) = (covariance(later), covariance(earlier))
      let r = later.propagator * earlier.propagator.inverse
      let k = pu * r.transpose * pt.inverse
      walker.increment(from: t, to: u, step: index, into: noise, area: nil)
      next.fill(0)
      next.add(k, x, times: 1)
      // In short steps what noise reaches slowly, a position, is lost in rounding.
      next.add((pu - k * r * pu).semidefiniteRoot, noise, times: 1)
      x.copy(next)
    }
  }
}
