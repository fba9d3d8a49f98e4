// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Another score with traits that it does not know of itself: those of what it was trained for.
public struct LimitedScore: Score {
  private let base: any Score
  private let own: ScoreTraits

  /// - Parameters:
  ///   - base: evaluates.
  ///   - own: what is said of it besides.
  public init(_ base: any Score, _ own: ScoreTraits) { (self.base, self.own) = (base, own) }

  public var shardRows: Int { base.shardRows }
  public var traits: ScoreTraits { base.traits.union(own) }
  public var flowMap: (any FlowMap)? { base.flowMap }
  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { try base.makeEvaluator(for: rows) }
}
