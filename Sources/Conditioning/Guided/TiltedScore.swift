// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// s = s_∅ + w ∇ₓ log p_t(c | x): classifier guidance (Dhariwal and Nichol 2021, algorithm 1), and any other score with
/// a gradient added to it. As ∇ log p_t(c | x) = s_c − s_∅, an exact classifier gives classifier-free guidance.
public struct TiltedScore: Score {
  /// s_∅
  public let base: any Score
  /// ∇ₓ log p_t(c | x), written as if it were a score.
  public let gradient: any Score
  /// w
  public let weight: Double
  /// Where w acts, and 1 elsewhere; nil: everywhere.
  public let interval: GuidanceInterval?

  /// - Parameters:
  ///   - base: s_∅
  ///   - gradient: ∇ₓ log p_t(c | x) of the same rows.
  ///   - weight: w
  ///   - interval: where w acts, and 1 elsewhere; nil: everywhere.
  public init(_ base: any Score, gradient: any Score, weight: Double, interval: GuidanceInterval? = nil) {
    (self.base, self.gradient, self.weight, self.interval) = (base, gradient, weight, interval)
  }

  public var shardRows: Int { min(base.shardRows, gradient.shardRows) }
  public var traits: ScoreTraits { base.traits.ofSum(gradient.traits) }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(self, try base.makeEvaluator(for: rows), try gradient.makeEvaluator(for: rows), rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: TiltedScore
    private let base, gradient: any ScoreEvaluator
    private let other: RowStorage
    private var linearised = Times.all(0)

    init(_ score: TiltedScore, _ base: any ScoreEvaluator, _ gradient: any ScoreEvaluator, _ rows: RowSpan) {
      (self.score, self.base, self.gradient, other) = (score, base, gradient, RowStorage(rows))
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      try base.evaluate(x, at: times, into: s)
      try gradient.evaluate(x, at: times, into: other.view(like: x))
      add(to: s, times)
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = times
      try base.linearise(x, at: times, into: s)
      try gradient.linearise(x, at: times, into: other.view(like: x))
      add(to: s, times)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      try base.pullback(v, into: out)
      try gradient.pullback(v, into: other.view(like: v))
      add(to: out, linearised)
    }

    func cost(at t: Double) -> Int { base.cost(at: t) + gradient.cost(at: t) }

    func culprit(_ x: Rows, at t: Double) -> String? {
      base.culprit(x, at: t) ?? gradient.culprit(x, at: t).map { "the classifier's \($0)" }
    }

    private func add(to s: Rows, _ times: Times) {
      let other = other.view(like: s)
      for i in 0..<s.count {
        let w = score.interval.contains(times.time(of: i)) ? score.weight : 1
        for j in 0..<s.dimension { s[i, j] += w * other[i, j] }
      }
    }
  }
}
