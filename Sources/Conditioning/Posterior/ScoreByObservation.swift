// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// Several scores, one for each observation: row i has score i mod their number. Of exact posteriors it is the exact
/// guided score, which every solver takes as any other.
public struct ScoreByObservation: Score {
  private let scores: [any Score]

  public var shardRows: Int { scores.reduce(Shards.rows) { min($0, $1.shardRows) } }
  public var traits: ScoreTraits { scores.dropFirst().reduce(scores[0].traits) { $0.intersection($1.traits) } }

  /// - Precondition: one score at least.
  public init(_ scores: [any Score]) {
    precondition(!scores.isEmpty)
    self.scores = scores
  }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    if scores.count == 1 { return try scores[0].makeEvaluator(for: rows) }
    return try Evaluator(scores, rows)
  }

  /// Gathers the rows of each score, evaluates them together, and scatters the results.
  final class Evaluator: ScoreEvaluator {
    private struct Part {
      let evaluator: any ScoreEvaluator
      let inputs, directions, outputs, times: RowStorage
    }

    private let parts: [Part?]
    private var linearised: (first: Int, count: Int) = (0, 0)

    init(_ scores: [any Score], _ span: RowSpan) throws {
      let (n, most) = (scores.count, (span.count + scores.count - 1) / scores.count)
      parts = try (0..<n).map { k in
        // Some observations may have no row of these.
        guard span.count >= n || (k - span.first % n + n) % n < span.count else { return nil }
        let rows = RowSpan(first: span.first, count: most, dimension: span.dimension)
        return Part(
          evaluator: try scores[k].makeEvaluator(for: rows), inputs: RowStorage(rows), directions: RowStorage(rows),
          outputs: RowStorage(rows), times: RowStorage(rows.with(dimension: 1)))
      }
    }

    /// Calls `body` with each score that has rows among some, and which they are: every n-th from a first one on.
    private func forEach(_ first: Int, _ count: Int, _ body: (Part, _ rows: StrideTo<Int>, _ count: Int) throws -> Void)
      rethrows
    {
      let n = parts.count
      for k in 0..<min(n, count) {
        guard let part = parts[(first + k) % n] else { preconditionFailure("rows that the evaluator was not made for") }
        try body(part, stride(from: k, to: count, by: n), (count - k + n - 1) / n)
      }
    }

    private func gather(
      _ x: Rows, _ times: Times, _ part: Part, _ rows: StrideTo<Int>, _ count: Int
    ) -> (x: Rows, times: Times) {
      let inputs = part.inputs.rows[0..<count]
      for (place, row) in rows.enumerated() { inputs.row(place).copy(x.row(row)) }
      guard case .each(let values) = times else { return (inputs, times) }
      let kept = part.times.rows.values
      for (place, row) in rows.enumerated() { kept[place] = values[row] }
      return (inputs, .each(kept))
    }

    private func compute(
      _ x: Rows, _ times: Times, into s: Rows, _ body: (any ScoreEvaluator, Rows, Times, Rows) throws -> Void
    ) throws {
      try forEach(x.first, x.count) { part, rows, count in
        let (inputs, times) = gather(x, times, part, rows, count)
        let outputs = part.outputs.rows[0..<count]
        try body(part.evaluator, inputs, times, outputs)
        for (place, row) in rows.enumerated() { s.row(row).copy(outputs.row(place)) }
      }
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      try compute(x, times, into: s) { try $0.evaluate($1, at: $2, into: $3) }
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = (x.first, x.count)
      try compute(x, times, into: s) { try $0.linearise($1, at: $2, into: $3) }
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      try forEach(linearised.first, linearised.count) { part, rows, count in
        let (directions, outputs) = (part.directions.rows[0..<count], part.outputs.rows[0..<count])
        for (place, row) in rows.enumerated() { directions.row(place).copy(v.row(row)) }
        try part.evaluator.pullback(directions, into: outputs)
        for (place, row) in rows.enumerated() { out.row(row).copy(outputs.row(place)) }
      }
    }

    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
      try forEach(x.first, x.count) { part, rows, count in
        let (inputs, times) = gather(x, times, part, rows, count)
        let densities = part.outputs.rows.values
        try part.evaluator.logDensity(inputs, at: times, into: densities)
        for (place, row) in rows.enumerated() { out[row] = densities[place] }
      }
    }

    func culprit(_ x: Rows, at t: Double) -> String? {
      parts[x.first % parts.count]?.evaluator.culprit(x, at: t)
    }
  }
}
