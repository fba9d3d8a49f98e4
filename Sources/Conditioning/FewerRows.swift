// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// A score of which a worker carries fewer rows at a time, where each row takes the work of several.
public struct FewerRows: Score {
  private let base: any Score
  public let shardRows: Int

  /// - Parameters:
  ///   - base: the score.
  ///   - rows: how many rows a worker carries at most; at least 1 is taken.
  public init(_ base: any Score, rows: Int) {
    self.base = base
    shardRows = max(1, min(rows, base.shardRows))
  }

  public var traits: ScoreTraits { base.traits }
  public var flowMap: (any FlowMap)? { base.flowMap }
  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { try base.makeEvaluator(for: rows) }
}
