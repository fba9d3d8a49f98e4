// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A score with the memory that it works in, owned by one worker.
///
/// Products with the Jacobian come in two parts, as they may depend on the score itself: `linearise` gives s(x), and
/// then `pullback` gives (∂s/∂x)ᵀ v at that x for any number of v. An evaluator remembers one linearisation, the last
/// one, until its next call of `linearise`, `evaluate` or `logDensity`; the caller leaves x and the times as they are
/// for as long.
public protocol ScoreEvaluator: AnyObject {
  /// Writes the score of every row.
  /// - Parameters:
  ///   - x: the states, rows × dimension; some of the rows that the evaluator was made for.
  ///   - times: the time of each row.
  ///   - s: the score of each row; of the shape of x, which it does not overlap.
  func evaluate(_ x: Rows, at times: Times, into s: Rows) throws

  /// Writes the score of every row, as `evaluate` does, and keeps what `pullback` needs at x.
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - times: the time of each row.
  ///   - s: the score of each row; of the shape of x, which it does not overlap.
  func linearise(_ x: Rows, at times: Times, into s: Rows) throws

  /// Writes (∂s/∂x)ᵀ v for every row, at the x of the last `linearise`. The Jacobian of a true score is symmetric.
  /// - Parameters:
  ///   - v: of the shape of that x.
  ///   - out: of the shape of that x; it overlaps neither x nor v.
  func pullback(_ v: Rows, into out: Rows) throws

  /// Writes log pₜ(x) of every row.
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - times: the time of each row.
  ///   - out: `x.count` values.
  func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws

  /// How many evaluations of a network, or of another score that is given, this one takes for a row at a time: 2 for
  /// a guided score that looks at a network with a condition and without. The NFE of solvers counts these.
  func cost(at t: Double) -> Int

  /// Where the computation of a score that is not finite goes wrong, in words, as "layer layers.1"; nil where that is
  /// not known. It is asked after a failure alone, and may take its time.
  /// - Parameters:
  ///   - x: a single row.
  ///   - t: its time.
  func culprit(_ x: Rows, at t: Double) -> String?
}

extension ScoreEvaluator {
  public func culprit(_ x: Rows, at t: Double) -> String? { nil }
  public func cost(at t: Double) -> Int { 1 }

  public func linearise(_ x: Rows, at times: Times, into s: Rows) throws { try evaluate(x, at: times, into: s) }

  public func pullback(_ v: Rows, into out: Rows) throws {
    throw InputError("this score offers no Jacobian product")
  }

  public func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
    throw InputError("this score knows no log density")
  }
}

/// Where a score was linearised: rows and times that their owner leaves as they are.
public struct Linearisation {
  /// The states, rows × dimension.
  public let x: Rows
  /// Their times.
  public let times: Times

  /// Where a score is linearised. Whoever owns the memory leaves it as it is meanwhile.
  public init(_ x: Rows, _ times: Times) { (self.x, self.times) = (x, times) }
}
