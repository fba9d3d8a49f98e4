// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// An evaluator around another that counts the evaluations of each row: its NFE. When a signal asks for an end, it
/// evaluates nothing more: `StopSignals.check`.
public final class CountingEvaluator: ScoreEvaluator {
  private let base: any ScoreEvaluator
  private let first: Int
  /// The number of scores and Jacobian products that each row took. Log densities are not counted.
  public var evaluations: [Int] { ofSome.map { ofAll + $0 } }
  /// Calls with all rows together, and the calls of each row that came with fewer.
  private var ofAll = 0
  private var ofSome: [Int]
  private var linearised = 0..<0

  /// - Parameter rows: those that `base` was made for.
  public init(_ base: any ScoreEvaluator, rows: RowSpan) {
    self.base = base
    first = rows.first
    ofSome = [Int](repeating: 0, count: rows.count)
  }

  private func places(of x: Rows) -> Range<Int> { x.first - first..<x.first - first + x.count }

  private func count(_ places: Range<Int>) {
    if places.count == ofSome.count {
      ofAll += 1
    } else {
      for row in places { ofSome[row] += 1 }
    }
  }

  public func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
    try StopSignals.check()
    count(places(of: x))
    try base.evaluate(x, at: times, into: s)
  }

  public func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
    try StopSignals.check()
    linearised = places(of: x)
    count(linearised)
    try base.linearise(x, at: times, into: s)
  }

  public func pullback(_ v: Rows, into out: Rows) throws {
    count(linearised)
    try base.pullback(v, into: out)
  }

  public func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
    try base.logDensity(x, at: times, into: out)
  }
}
