// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// s = s_∅ + w (s_c − s_∅), classifier-free guidance (Ho and Salimans 2022) of one picture at a time: both scores are
/// evaluated each by itself, on two threads where pictures leave some free. A picture's numbers then depend neither on
/// other pictures nor on threads.
struct BranchesScore: Score {
  /// s_c and s_∅
  let with, without: any Score
  /// w
  let weight: Double
  /// Whether the two have a thread each.
  let isParallel: Bool

  var shardRows: Int { 1 }

  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(
      self, [try with.makeEvaluator(for: rows), try without.makeEvaluator(for: rows)], RowStorage(rows))
  }

  /// The two evaluators and where they write; each is used by one thread at a time.
  private struct Branches: @unchecked Sendable {
    let evaluators: [any ScoreEvaluator]
    let x: Rows
    let times: Times
    let results: [Rows]

    func evaluate(_ branch: Int) throws { try evaluators[branch].evaluate(x, at: times, into: results[branch]) }
  }

  final class Evaluator: ScoreEvaluator {
    private let score: BranchesScore
    private let evaluators: [any ScoreEvaluator]
    private let other: RowStorage

    init(_ score: BranchesScore, _ evaluators: [any ScoreEvaluator], _ other: RowStorage) {
      (self.score, self.evaluators, self.other) = (score, evaluators, other)
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      let other = other.view(like: x)
      let branches = Branches(evaluators: evaluators, x: x, times: times, results: [s, other])
      try Shards(rows: 2, size: 1).forEach(threads: score.isParallel ? 2 : 1) { branch, _ in
        try branches.evaluate(branch)
      }
      let w = score.weight
      for i in 0..<s.size { s.values[i] = other.values[i] + w * (s.values[i] - other.values[i]) }
    }

    func cost(at t: Double) -> Int { evaluators.reduce(0) { $0 + $1.cost(at: t) } }

    func culprit(_ x: Rows, at t: Double) -> String? {
      evaluators.lazy.compactMap { $0.culprit(x, at: t) }.first
    }
  }
}
