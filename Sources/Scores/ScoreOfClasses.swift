// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// One score made of those of several classes: each row has that of its own class, and that of the whole where nothing
/// is known of it.
public struct ScoreOfClasses: Score {
  /// The score of each class, ∇ log pₜ(x | c).
  public let classes: [Int: any Score]
  /// The score of rows of which nothing is known, ∇ log pₜ(x).
  public let whole: any Score
  /// What is known of each row.
  public let conditions: Conditions

  /// Scores of classes, bound to the classes of rows.
  public init(_ classes: [Int: any Score], whole: any Score, given conditions: Conditions) {
    (self.classes, self.whole, self.conditions) = (classes, whole, conditions)
  }

  public var shardRows: Int { classes.values.reduce(whole.shardRows) { min($0, $1.shardRows) } }
  public var traits: ScoreTraits { classes.values.reduce(whole.traits) { $0.intersection($1.traits) } }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    if let count = conditions.count, count < rows.first + rows.count {
      throw InputError("conditions of \(count) rows; row \(rows.first + rows.count) has none")
    }
    var scores: [any Score] = []
    var (slots, known) = ([Int](), [Int: Int]())
    for row in rows.first..<rows.first + rows.count {
      let condition = conditions[row]
      let key = if case .label(let label) = condition { label } else { -1 }
      if known[key] == nil {
        guard let score = condition == .nothing ? whole : classes[key] else {
          throw InputError("row \(row + 1) has \(condition), of which no score is known")
        }
        known[key] = scores.count
        scores.append(score)
      }
      slots.append(known[key] ?? 0)
    }
    let evaluators = try scores.indices.map { slot in
      let count = slots.reduce(0) { $0 + ($1 == slot ? 1 : 0) }
      return try scores[slot].makeEvaluator(for: RowSpan(first: 0, count: count, dimension: rows.dimension))
    }
    return Evaluator(evaluators, slots, rows)
  }

  /// Rows of one class are put together, so that each score sees its own at once.
  final class Evaluator: ScoreEvaluator {
    private let evaluators: [any ScoreEvaluator]
    /// Whose row each is, and the first row of all.
    private let slots: [Int]
    private let first: Int
    private let states, results, directions: RowStorage
    private let times: UnsafeMutablePointer<Double>
    /// The rows of the last call, slot by slot, and where those of each slot end.
    private var places: [Int] = []
    private var ends: [Int] = []

    init(_ evaluators: [any ScoreEvaluator], _ slots: [Int], _ rows: RowSpan) {
      (self.evaluators, self.slots, first) = (evaluators, slots, rows.first)
      // With one score alone nothing is put together.
      let own = RowSpan(first: 0, count: evaluators.count > 1 ? rows.count : 0, dimension: rows.dimension)
      (states, results, directions) = (RowStorage(own), RowStorage(own), RowStorage(own))
      times = .allocate(capacity: max(1, own.count))
      places.reserveCapacity(rows.count)
      ends.reserveCapacity(evaluators.count)
    }

    deinit { times.deallocate() }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      if evaluators.count == 1 { return try evaluators[0].evaluate(x, at: times, into: s) }
      gather(x, times)
      try forEachPart { slot, part in
        try evaluators[slot].evaluate(
          states.rows[part], at: own(times, part), into: results.rows[part])
      }
      scatter(into: s)
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      if evaluators.count == 1 { return try evaluators[0].linearise(x, at: times, into: s) }
      gather(x, times)
      try forEachPart { slot, part in
        try evaluators[slot].linearise(states.rows[part], at: own(times, part), into: results.rows[part])
      }
      scatter(into: s)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      if evaluators.count == 1 { return try evaluators[0].pullback(v, into: out) }
      for (place, row) in places.enumerated() { directions.rows.row(place).copy(v.row(row)) }
      try forEachPart { slot, part in
        try evaluators[slot].pullback(directions.rows[part], into: results.rows[part])
      }
      scatter(into: out)
    }

    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
      if evaluators.count == 1 { return try evaluators[0].logDensity(x, at: times, into: out) }
      gather(x, times)
      try forEachPart { slot, part in
        try evaluators[slot].logDensity(
          states.rows[part], at: own(times, part), into: results.rows.values + part.lowerBound)
      }
      for (place, row) in places.enumerated() { out[row] = results.rows.values[place] }
    }

    func culprit(_ x: Rows, at t: Double) -> String? { evaluators[slots[x.first - first]].culprit(x, at: t) }

    // MARK: Rows of one score together

    private func gather(_ x: Rows, _ times: Times) {
      places.removeAll(keepingCapacity: true)
      ends.removeAll(keepingCapacity: true)
      for slot in evaluators.indices {
        for row in 0..<x.count where slots[x.first - first + row] == slot {
          states.rows.row(places.count).copy(x.row(row))
          if case .each(let values) = times { self.times[places.count] = values[row] }
          places.append(row)
        }
        ends.append(places.count)
      }
    }

    private func forEachPart(_ body: (_ slot: Int, _ part: Range<Int>) throws -> Void) rethrows {
      var start = 0
      for slot in evaluators.indices {
        let part = start..<ends[slot]
        start = ends[slot]
        if !part.isEmpty { try body(slot, part) }
      }
    }

    private func own(_ times: Times, _ part: Range<Int>) -> Times {
      if case .all = times { return times }
      return .each(UnsafePointer(self.times + part.lowerBound))
    }

    private func scatter(into out: Rows) {
      for (place, row) in places.enumerated() { out.row(row).copy(results.rows.row(place)) }
    }
  }
}
