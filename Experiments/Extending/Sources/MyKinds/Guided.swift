// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A guidance is a score that wraps two: s = (1 − w) s_without + w s_with, which for w > 1 goes beyond the second
/// score, away from the first (Ho and Salimans 2022). Every solver takes it as it takes any other score.
public struct GuidedScore: Score {
  let without, with: any Score
  let weight: Double

  public init(without: any Score, with: any Score, weight: Double) {
    (self.without, self.with, self.weight) = (without, with, weight)
  }

  public var shardRows: Int { min(without.shardRows, with.shardRows) }
  /// A product with the Jacobian is known where both scores know theirs. A density of its own it has not.
  public var traits: ScoreTraits { without.traits.intersection(with.traits).intersection(.jacobian) }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(weight, try without.makeEvaluator(for: rows), try with.makeEvaluator(for: rows), rows)
  }

  /// Owned by one worker, with the memory for one of the two.
  final class Evaluator: ScoreEvaluator {
    private let weight: Double
    private let without, with: any ScoreEvaluator
    private let other: RowStorage

    init(_ weight: Double, _ without: any ScoreEvaluator, _ with: any ScoreEvaluator, _ rows: RowSpan) {
      (self.weight, self.without, self.with) = (weight, without, with)
      other = RowStorage(rows)
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      try without.evaluate(x, at: times, into: other.view(like: x))
      try with.evaluate(x, at: times, into: s)
      combine(s)
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      try without.linearise(x, at: times, into: other.view(like: x))
      try with.linearise(x, at: times, into: s)
      combine(s)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      try without.pullback(v, into: other.view(like: out))
      try with.pullback(v, into: out)
      combine(out)
    }

    private func combine(_ out: Rows) {
      let other = other.view(like: out)
      for i in 0..<out.size { out.values[i] = (1 - weight) * other.values[i] + weight * out.values[i] }
    }
  }
}

/// `sampling.guidance: {kind: beyond, weight: 2}`: the score given each sample's condition against that given nothing.
struct Beyond: Guidance {
  let weight: Double

  func traits(of traits: ScoreTraits) -> ScoreTraits { traits.intersection(.jacobian) }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    guard source.knowsNothing else { throw InputError("beyond needs a score that is known without a condition") }
    return GuidedScore(
      without: try source.score(given: .nothing), with: try source.score(given: conditions), weight: weight)
  }
}

extension Kind<any Guidance> {
  static let beyond = Kind("beyond", "(1 − w) times the score given nothing + w times that given the condition") {
    options, _ in
    Beyond(weight: try options.number("weight", default: 2, in: .nonNegative, "w: 1 is the condition, above 1 more"))
  }
}
