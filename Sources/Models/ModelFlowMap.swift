// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// A model bound to conditions as the map of a flow: see `ScoreModel.mapCoefficients`.
public struct ModelFlowMap: FlowMap {
  private let score: ModelScore
  public let range: FlowMapRange

  init(_ score: ModelScore, _ range: FlowMapRange) { (self.score, self.range) = (score, range) }

  public func makeEvaluator(for rows: RowSpan) throws -> any FlowMapEvaluator {
    Evaluator(try score.makeMapEvaluator(for: rows))
  }

  private final class Evaluator: FlowMapEvaluator {
    private let base: ModelScore.Evaluator

    init(_ base: ModelScore.Evaluator) { self.base = base }

    func map(_ x: Rows, from t: Double, to s: Double, into y: Rows) throws { base.map(x, from: t, to: s, into: y) }

    func map(
      _ x: Rows, from t: Double, to s: Double, into y: Rows, _ method: LogDeterminant,
      logDeterminants: UnsafeMutablePointer<Double>
    ) throws {
      try base.map(x, from: t, to: s, into: y, method, logDeterminants: logDeterminants)
    }
  }
}
