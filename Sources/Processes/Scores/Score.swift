// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A function (x, t) → ∇ₓ log pₜ(x) over rows: exact, learned, or wrapped around another score.
public protocol Score: Sendable {
  /// An evaluator with its own memory for the given rows, owned by one worker.
  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator
  /// How many rows a worker should carry at a time: fewer than usual where a row takes much memory and work.
  var shardRows: Int { get }
}

extension Score {
  public var shardRows: Int { Shards.rows }
}

/// The time of each row.
public enum Times {
  case all(Double)
  /// One value per row.
  case each(UnsafePointer<Double>)
}

public protocol ScoreEvaluator: AnyObject {
  /// Writes the score of every row of x into s. The two have equal shapes and do not overlap.
  func evaluate(_ x: Rows, at times: Times, into s: Rows) throws

  /// Writes (∂s/∂x)ᵀ v for every row. The Jacobian of a true score is symmetric.
  func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws
}

extension ScoreEvaluator {
  public func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws {
    throw InputError("this score offers no Jacobian product")
  }
}

/// A score that counts its evaluations: the NFE of each row, as all rows of a span are evaluated together.
public struct CountingScore: Score {
  public let base: any Score
  public init(_ base: any Score) { self.base = base }

  public var shardRows: Int { base.shardRows }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(try base.makeEvaluator(for: rows))
  }

  public final class Evaluator: ScoreEvaluator {
    private let base: any ScoreEvaluator
    /// How many times `evaluate` or `pullback` was called.
    public private(set) var evaluations = 0

    public init(_ base: any ScoreEvaluator) { self.base = base }

    public func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      evaluations += 1
      try base.evaluate(x, at: times, into: s)
    }

    public func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws {
      evaluations += 1
      try base.pullback(v, x, at: times, into: out)
    }
  }
}
