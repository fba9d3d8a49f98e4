// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// An evaluator around another that counts the evaluations of each row, its NFE, and watches them where it is asked to.
/// A score that takes more than one evaluation of a network counts as often (`ScoreEvaluator.cost`).
/// When a signal asks for an end, it evaluates nothing more: `StopSignals.check`.
public final class CountingEvaluator: ScoreEvaluator {
  private let base: any ScoreEvaluator
  private let first: Int
  /// The number of scores and Jacobian products that each row took. Log densities are not counted.
  public var evaluations: [Int] { ofSome.map { ofAll + $0 } }
  /// Calls with all rows together, and the calls of each row that came with fewer.
  private var ofAll = 0
  private var ofSome: [Int]
  private var linearised: (places: Range<Int>, times: Times) = (0..<0, .all(0))

  private let watches: Bool

  /// - Parameters:
  ///   - base: what is counted.
  ///   - rows: those that `base` was made for.
  ///   - watches: whether a score that is not finite is an error, which says where it arose: for a solve that has
  ///     failed already and is done again to find out why.
  public init(_ base: any ScoreEvaluator, rows: RowSpan, watches: Bool = false) {
    self.base = base
    self.watches = watches
    first = rows.first
    ofSome = [Int](repeating: 0, count: rows.count)
  }

  private func places(of x: Rows) -> Range<Int> { x.first - first..<x.first - first + x.count }

  private func count(_ places: Range<Int>, _ times: Times) {
    if case .all(let t) = times, places.count == ofSome.count {
      ofAll += base.cost(at: t)
    } else {
      for (i, row) in places.enumerated() { ofSome[row] += base.cost(at: times.time(of: i)) }
    }
  }

  public func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
    try StopSignals.check()
    count(places(of: x), times)
    try base.evaluate(x, at: times, into: s)
    if watches { try requireFinite(x, times, s) }
  }

  public func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
    try StopSignals.check()
    linearised = (places(of: x), times)
    count(linearised.places, times)
    try base.linearise(x, at: times, into: s)
    if watches { try requireFinite(x, times, s) }
  }

  public func pullback(_ v: Rows, into out: Rows) throws {
    count(linearised.places, linearised.times)
    try base.pullback(v, into: out)
  }

  public func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
    try base.logDensity(x, at: times, into: out)
  }

  public func culprit(_ x: Rows, at t: Double) -> String? { base.culprit(x, at: t) }
  public func cost(at t: Double) -> Int { base.cost(at: t) }

  /// A state that has grown to this is what went wrong, and not its score.
  private static let largestState = 1e12

  private func requireFinite(_ x: Rows, _ times: Times, _ s: Rows) throws {
    let bad = ck_first_nonfinite(s.values, s.size)
    guard bad < s.size else { return }
    let place = bad / s.dimension
    let (row, time) = (x.row(place), times.time(of: place))
    let isLarge = (0..<row.size).contains { !(abs(row.values[$0]) < Self.largestState) }
    throw ComputationError.nonFinite(
      NonFinite(
        isLarge ? .state : .score, row: row.first, time: time, place: isLarge ? "" : culprit(row, at: time) ?? ""))
  }
}
