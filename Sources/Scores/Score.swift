// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A function (x, t) → ∇ₓ log pₜ(x) over rows: exact, learned, or wrapped around another score.
public protocol Score: Sendable {
  /// An evaluator with its own memory for the given rows, owned by one worker.
  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator
  /// How many rows a worker should carry at a time: fewer than usual where a row takes much memory and work.
  var shardRows: Int { get }
  /// What its evaluators offer beyond the score.
  var traits: ScoreTraits { get }
  /// The map of its flow, where a network was trained for that; default: nil.
  var flowMap: (any FlowMap)? { get }
}

extension Score {
  public var shardRows: Int { Shards.rows }
  public var traits: ScoreTraits { [] }
  public var flowMap: (any FlowMap)? { nil }
}

/// What a score's evaluators offer beyond the score.
public struct ScoreTraits: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// `logDensity`
  public static let logDensity = ScoreTraits(rawValue: 1)
  /// A `pullback` that is exact to double precision.
  public static let jacobian = ScoreTraits(rawValue: 2)
  /// Scores that depend on the evaluations before, as guidance with momentum does: no flow has them as its score, and
  /// solutions have no limit as steps become shorter.
  public static let memory = ScoreTraits(rawValue: 4)
  /// No score: what makes a x − ½ g² s the velocity of a flow between two laws, as flow matching learns it. Solvers of
  /// the probability flow alone take it.
  public static let flowAlone = ScoreTraits(rawValue: 8)
  /// No score: what makes a x − g² s the reverse drift of a process of bridges. Solvers of the reverse SDE alone take
  /// it.
  public static let pathAlone = ScoreTraits(rawValue: 16)
}
