// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// An estimate of ∇ₓ log pₜ(y | x), the score of what was seen given a noisy state: one file a method.
public protocol LikelihoodScore: Sendable {
  /// The method at work for one worker, with the memory for it.
  /// - Throws: `InputError` for a model that the method is not made for.
  func makeTerm(for observation: Observation, rows: RowSpan) throws -> any LikelihoodTerm
}

/// A likelihood score at work on one worker's rows.
public protocol LikelihoodTerm: AnyObject {
  /// Writes ∇ₓ log pₜ(y | x) of every row.
  /// - Parameters:
  ///   - state: the states with their means, ready for products.
  ///   - g: rows × dimension; it overlaps nothing of the state.
  func write(_ state: DenoisedState, into g: Rows) throws
}

/// The score of the posterior by Bayes' rule, ∇ log pₜ(x | y) = ∇ log pₜ(x) + ∇ log pₜ(y | x), the second term by a
/// method. For scalar kernels.
public struct PosteriorScore: Score {
  private let base: any Score
  private let kernel: any PerturbationKernel
  private let observation: Observation
  private let likelihood: any LikelihoodScore

  /// - Parameters:
  ///   - base: ∇ log pₜ(x), with products with its Jacobian.
  ///   - kernel: the kernel of the process, of scalars.
  ///   - observation: what was seen.
  ///   - likelihood: the method.
  public init(
    _ base: any Score, kernel: any PerturbationKernel, observation: Observation, likelihood: any LikelihoodScore
  ) {
    (self.base, self.kernel, self.observation, self.likelihood) = (base, kernel, observation, likelihood)
  }

  public var shardRows: Int { base.shardRows }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    let base = try base.makeEvaluator(for: rows)
    return Evaluator(
      base, DenoisedState(base, kernel, observation, rows), try likelihood.makeTerm(for: observation, rows: rows), rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let base: any ScoreEvaluator
    private let state: DenoisedState
    private let term: any LikelihoodTerm
    private let gradient: RowStorage

    init(_ base: any ScoreEvaluator, _ state: DenoisedState, _ term: any LikelihoodTerm, _ rows: RowSpan) {
      (self.base, self.state, self.term) = (base, state, term)
      gradient = RowStorage(rows)
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      try state.evaluate(x, at: times, into: s, forProducts: true)
      let g = gradient.view(like: x)
      try term.write(state, into: g)
      ck_add_scaled(s.values, g.values, 1, s.size)
    }

    func culprit(_ x: Rows, at t: Double) -> String? { base.culprit(x, at: t) }
  }
}
