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
}

extension Score {
  public var shardRows: Int { Shards.rows }
  public var traits: ScoreTraits { [] }
}

/// What a score's evaluators offer beyond the score.
public struct ScoreTraits: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// `logDensity`
  public static let logDensity = ScoreTraits(rawValue: 1)
  /// A `pullback` that is exact to double precision.
  public static let jacobian = ScoreTraits(rawValue: 2)
}

public protocol ScoreEvaluator: AnyObject {
  /// Writes the score of every row of x into s. The two have equal shapes and do not overlap.
  func evaluate(_ x: Rows, at times: Times, into s: Rows) throws

  /// Writes (∂s/∂x)ᵀ v for every row. The Jacobian of a true score is symmetric.
  func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws

  /// Writes the score, and (∂s/∂x)ᵀ v for several v at the same x. Cheaper than one by one where they share work.
  func evaluate(_ x: Rows, at times: Times, into s: Rows, pullingBack v: [Rows], into out: [Rows]) throws

  /// Writes log pₜ(x) of every row; `out` has `x.count` values.
  func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws
}

extension ScoreEvaluator {
  public func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws {
    throw InputError("this score offers no Jacobian product")
  }

  public func evaluate(_ x: Rows, at times: Times, into s: Rows, pullingBack v: [Rows], into out: [Rows]) throws {
    try evaluate(x, at: times, into: s)
    for (v, out) in zip(v, out) { try pullback(v, x, at: times, into: out) }
  }

  public func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
    throw InputError("this score knows no log density")
  }
}

/// A score that counts its evaluations: the NFE of each row, as all rows of a span are evaluated together.
public struct CountingScore: Score {
  public let base: any Score
  public init(_ base: any Score) { self.base = base }

  public var shardRows: Int { base.shardRows }
  public var traits: ScoreTraits { base.traits }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(try base.makeEvaluator(for: rows), rows: rows)
  }

  public final class Evaluator: ScoreEvaluator {
    private let base: any ScoreEvaluator
    private let first: Int
    /// How many scores and Jacobian products each row took. Log densities are not counted.
    public var evaluations: [Int] { ofSome.map { ofAll + $0 } }
    /// Of all rows together, and of fewer at a time.
    private var ofAll = 0
    private var ofSome: [Int]

    public init(_ base: any ScoreEvaluator, rows: RowSpan) {
      self.base = base
      first = rows.first
      ofSome = [Int](repeating: 0, count: rows.count)
    }

    private func count(_ x: Rows, _ times: Int = 1) {
      if x.count == ofSome.count {
        ofAll += times
      } else {
        for row in x.first - first..<x.first - first + x.count { ofSome[row] += times }
      }
    }

    public func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      count(x)
      try base.evaluate(x, at: times, into: s)
    }

    public func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws {
      count(x)
      try base.pullback(v, x, at: times, into: out)
    }

    public func evaluate(_ x: Rows, at times: Times, into s: Rows, pullingBack v: [Rows], into out: [Rows]) throws {
      count(x, 1 + v.count)
      try base.evaluate(x, at: times, into: s, pullingBack: v, into: out)
    }

    public func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
      try base.logDensity(x, at: times, into: out)
    }
  }
}
