// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// Evaluates a `ScorePair` on a worker's rows.
///
/// Outside the interval of guidance s_c alone is evaluated. Where rows have times of their own, some of them within and
/// others without, both are evaluated for all of them.
final class PairEvaluator {
  /// Which of the scores a call has evaluated.
  enum Branches { case both, conditionAlone }

  private let interval: GuidanceInterval?
  /// s_c and s_∅, each by itself.
  private let with, without: (any ScoreEvaluator)?
  /// Both in one batch.
  private let together: (any ScoreEvaluator)?
  private let states, results, directions: RowStorage
  private let times: UnsafeMutablePointer<Double>
  private var last = Branches.both

  convenience init(
    _ rows: RowSpan, _ interval: GuidanceInterval?, with: any ScoreEvaluator, without: any ScoreEvaluator
  ) {
    self.init(rows, interval, with, without, nil)
  }

  convenience init(
    _ rows: RowSpan, _ interval: GuidanceInterval?, together: any ScoreEvaluator, alone: (any ScoreEvaluator)?
  ) {
    self.init(rows, interval, alone, nil, together)
  }

  private init(
    _ rows: RowSpan, _ interval: GuidanceInterval?, _ with: (any ScoreEvaluator)?, _ without: (any ScoreEvaluator)?,
    _ together: (any ScoreEvaluator)?
  ) {
    (self.interval, self.with, self.without, self.together) = (interval, with, without, together)
    let twice =
      together == nil
      ? RowSpan(first: rows.first, count: rows.count, dimension: rows.dimension)
      : RowSpan(first: 2 * rows.first, count: 2 * rows.count, dimension: rows.dimension)
    let doubled = together == nil ? RowSpan(first: 0, count: 0, dimension: rows.dimension) : twice
    (states, results, directions) = (RowStorage(doubled), RowStorage(twice), RowStorage(doubled))
    times = .allocate(capacity: max(1, doubled.count))
  }

  deinit { times.deallocate() }

  /// Whether guidance acts at a time.
  func isGuided(at t: Double) -> Bool { interval.contains(t) }

  /// How many evaluations a row takes.
  func cost(at t: Double) -> Int {
    guard isGuided(at: t) else { return with?.cost(at: t) ?? 1 }
    if let together { return 2 * together.cost(at: t) }
    return (with?.cost(at: t) ?? 0) + (without?.cost(at: t) ?? 0)
  }

  /// Writes both scores.
  /// - Parameters:
  ///   - x: the states.
  ///   - times: the time of each row.
  ///   - s: receives s_c.
  ///   - other: receives s_∅, where both are evaluated.
  ///   - linearising: whether products with the Jacobians are to follow.
  /// - Returns: `conditionAlone` where no row is guided.
  func evaluate(_ x: Rows, at times: Times, with s: Rows, without other: Rows, linearising: Bool) throws -> Branches {
    last = isAnyGuided(x.count, times) ? .both : .conditionAlone
    guard last == .both else {
      guard let with else { preconditionFailure("an interval without its score") }
      try run(with, x, times, s, linearising)
      return last
    }
    guard let together else {
      guard let with, let without else { preconditionFailure("two scores") }
      try run(with, x, times, s, linearising)
      try run(without, x, times, other, linearising)
      return last
    }
    let (twiceX, twiceS) = (doubled(states, x), doubled(results, x))
    for i in 0..<x.count {
      twiceX.row(2 * i).copy(x.row(i))
      twiceX.row(2 * i + 1).copy(x.row(i))
      if case .each(let values) = times { (self.times[2 * i], self.times[2 * i + 1]) = (values[i], values[i]) }
    }
    let twice: Times = if case .all = times { times } else { .each(UnsafePointer(self.times)) }
    try run(together, twiceX, twice, twiceS, linearising)
    for i in 0..<x.count {
      s.row(i).copy(twiceS.row(2 * i))
      other.row(i).copy(twiceS.row(2 * i + 1))
    }
    return last
  }

  /// Writes J_cᵀ (c v) + J_∅ᵀ (d v) at the last linearisation.
  /// - Parameters:
  ///   - v: a direction for each row.
  ///   - out: of its shape.
  ///   - factors: c and d of each row, by its place; where s_c alone was evaluated, c is 1.
  func pullback(_ v: Rows, into out: Rows, _ factors: (_ row: Int) -> (c: Double, d: Double)) throws {
    if last == .conditionAlone {
      try with?.pullback(v, into: out)
      return
    }
    guard let together else {
      let result = results.view(like: v)
      try with?.pullback(v, into: out)
      try without?.pullback(v, into: result)
      for i in 0..<v.count {
        let (c, d) = factors(i)
        for j in 0..<v.dimension { out[i, j] = c * out[i, j] + d * result[i, j] }
      }
      return
    }
    let (twiceV, twiceOut) = (doubled(directions, v), doubled(results, v))
    for i in 0..<v.count {
      let (c, d) = factors(i)
      for j in 0..<v.dimension {
        twiceV[2 * i, j] = c * v[i, j]
        twiceV[2 * i + 1, j] = d * v[i, j]
      }
    }
    try together.pullback(twiceV, into: twiceOut)
    for i in 0..<v.count {
      for j in 0..<v.dimension { out[i, j] = twiceOut[2 * i, j] + twiceOut[2 * i + 1, j] }
    }
  }

  /// Where a score that is not finite arose.
  func culprit(_ x: Rows, at t: Double) -> String? {
    if let together {
      let places = doubled(states, x)
      return together.culprit(places.row(0).over(x.values), at: t)
        ?? together.culprit(places.row(1).over(x.values), at: t)
    }
    return with?.culprit(x, at: t) ?? without?.culprit(x, at: t)
  }

  private func isAnyGuided(_ count: Int, _ times: Times) -> Bool {
    guard interval != nil else { return true }
    return (0..<times.distinct(count)).contains { isGuided(at: times.time(of: $0)) }
  }

  private func run(
    _ evaluator: any ScoreEvaluator, _ x: Rows, _ times: Times, _ s: Rows, _ linearising: Bool
  ) throws {
    if linearising {
      try evaluator.linearise(x, at: times, into: s)
    } else {
      try evaluator.evaluate(x, at: times, into: s)
    }
  }

  /// Memory for twice as many rows, at twice their places.
  private func doubled(_ storage: RowStorage, _ x: Rows) -> Rows {
    storage.view(of: 2 * x.first..<2 * (x.first + x.count))
  }
}
