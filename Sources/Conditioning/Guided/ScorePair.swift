// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// The two scores that guidance looks at: the better one s_c, which knows the condition, and the one that it is led
/// away from, s_∅.
///
/// Where both are of one network, its rows stand side by side in one batch: that of row i with its condition at place
/// 2i, that without at 2i + 1 (`Conditions.interleaved`). A step then takes 2 n rows through the network at once, and a
/// worker carries half as many rows of samples, so that memory stays as it is.
public struct ScorePair: Sendable {
  /// s_c
  public let with: any Score
  /// s_∅
  public let without: any Score
  /// Both, row 2i s_c and row 2i + 1 s_∅ of the given row i; nil: each goes by itself.
  public let together: (any Score)?

  /// - Parameters:
  ///   - with: s_c, bound to the rows' conditions.
  ///   - without: s_∅, of the same rows.
  ///   - together: one score bound to the conditions of both, interleaved; nil where there is none.
  public init(with: any Score, without: any Score, together: (any Score)? = nil) {
    (self.with, self.without, self.together) = (with, without, together)
  }

  /// How many rows of samples a worker carries.
  public var shardRows: Int {
    if let together { return max(1, together.shardRows / 2) }
    return min(with.shardRows, without.shardRows)
  }

  /// What holds of a sum of multiples of both: a Jacobian where both know theirs, memory where one of them has it.
  var linearTraits: ScoreTraits { with.traits.ofSum(without.traits) }

  /// - Parameters:
  ///   - rows: the rows of samples.
  ///   - interval: where s_∅ is asked for; nil: everywhere.
  func makeEvaluator(for rows: RowSpan, _ interval: GuidanceInterval?) throws -> PairEvaluator {
    guard let together else {
      return PairEvaluator(
        rows, interval, with: try with.makeEvaluator(for: rows), without: try without.makeEvaluator(for: rows))
    }
    let twice = RowSpan(first: 2 * rows.first, count: 2 * rows.count, dimension: rows.dimension)
    return PairEvaluator(
      rows, interval, together: try together.makeEvaluator(for: twice),
      alone: interval == nil ? nil : try with.makeEvaluator(for: rows))
  }
}

extension ScoreTraits {
  /// The traits of a sum of multiples of two scores: densities are lost.
  func ofSum(_ other: ScoreTraits) -> ScoreTraits {
    intersection(other).intersection(.jacobian).union(union(other).intersection(.memory))
  }
}
