// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Synchronization

/// What becomes of the others where some rows cannot be solved.
public enum BadRows: Sendable {
  /// The solve fails.
  case fail
  /// They are solved as if the bad ones were not there; those become numbers that are not finite, each with its reason.
  case keepOthers
}

/// What the shards of a batch took, by their first rows, and the rows that failed.
struct ShardResults: Sendable, Codable {
  var shards: [Int: ShardResult] = [:]
  var failures: [Int: ComputationError] = [:]

  /// Those of all ranks.
  static func united(_ parts: [ShardResults]) -> ShardResults {
    parts.reduce(into: ShardResults()) { all, part in
      all.shards.merge(part.shards) { $1 }
      all.failures.merge(part.failures) { $1 }
    }
  }
}

struct ShardResult: Sendable, Codable {
  let steps: StepCount
  /// How many evaluations each row took.
  let evaluations: [Int]
}

/// A body of work on a shard that its sampler repeats: from given rows it does the same again.
typealias ShardBody = @Sendable (_ x: Rows, _ context: SolveContext) throws -> StepCount

extension Sampler {
  /// Runs `body` on every shard of a batch, each with a context of its own.
  ///
  /// A shard that fails is done once more, to find out whether the score or the solver went wrong, and in which layer.
  /// - Parameters:
  ///   - batch: the rows, which are changed in place.
  ///   - first: the number of the first row.
  ///   - size: how many rows a shard has; nil: what the score asks for.
  ///   - path: where noise comes from.
  ///   - progress: who is told of every step.
  ///   - observer: who sees the rows after every step.
  ///   - badRows: what becomes of the others where some rows fail.
  ///   - ranks: share the shards; each has all rows at the end.
  ///   - restart: writes what rows are at the beginning.
  func run(
    _ batch: inout Batch, from first: Int = 0, of size: Int? = nil, _ path: any BrownianPath,
    _ progress: (any ProgressObserver)?, _ observer: (any StepObserver)?, badRows: BadRows = .fail,
    among ranks: any Ranks = OneRank.shared,
    restart: @escaping @Sendable (Rows) -> Void, _ body: @escaping ShardBody
  ) throws -> ShardResults {
    let results = Mutex(ShardResults())
    try batch.forEachShard(of: size ?? problem.score.shardRows, threads: threads, among: ranks) { rows in
      let x = rows.numbered(from: first)
      func attempt(_ x: Rows) throws -> ShardResult {
        let context = try SolveContext(problem, rows: x.span, path: path, progress: progress, observer: observer)
        return ShardResult(steps: try body(x, context), evaluations: context.score.evaluations)
      }
      do {
        let result = try attempt(x)
        results.withLock { $0.shards[x.first] = result }
      } catch let error as ComputationError {
        if badRows == .fail || error.isStop { throw explained(error, x, path, restart, body) }
        var tolerant = TolerantShard(attempt: attempt, restart: restart)
        restart(x)
        try tolerant.run(x)
        for row in tolerant.failures.keys {
          if let error = tolerant.failures[row], case .nonFinite(let found) = error, found.step != nil {
            let one = x.row(row - x.first)
            restart(one)
            tolerant.failures[row] = explained(error, one, path, restart, body)
          }
          x.row(row - x.first).fill(.nan)
        }
        let found = tolerant
        results.withLock {
          $0.shards[x.first] = found.result
          $0.failures.merge(found.failures) { $1 }
        }
      }
    }
    return try ranks.united(results.withLock { $0 }, by: ShardResults.united)
  }

  private static let remedies = (
    layer: "the network's weights or activations overflow; train it again with a lower learning_rate or a warmup",
    score: "the score gives no number there; look at it with `score-sde score --at`, or stop at a larger epsilon",
    state: "the solver's steps are too long for this score; take more steps, grid: log-snr, or smaller tolerances"
  )

  /// The same error with all that a second look at the shard tells.
  private func explained(
    _ error: ComputationError, _ x: Rows, _ path: any BrownianPath, _ restart: (Rows) -> Void, _ body: ShardBody
  ) -> ComputationError {
    guard case .nonFinite(var found) = error else { return error }
    found.remedy = Self.remedies.state
    let values = RowStorage(x.span)
    withExtendedLifetime(values) {
      restart(values.rows)
      do {
        _ = try body(values.rows, SolveContext(problem, rows: x.span, path: path, watches: true))
      } catch ComputationError.nonFinite(let seen) where seen.quantity == .score {
        (found.quantity, found.row, found.time, found.place) = (.score, seen.row, seen.time, seen.place)
        found.remedy = seen.place.isEmpty ? Self.remedies.score : Self.remedies.layer
      } catch {}
    }
    found.noiseToSignal = found.time.flatMap { time in problem.prepared.noise?.moments(at: time).noiseToSignal }
    return .nonFinite(found)
  }
}

/// A shard of which single rows may fail. Those that an error names make place for copies of another row, so that the
/// others share their steps as before; where it names none, the shard is halved until it does.
private struct TolerantShard {
  let attempt: (Rows) throws -> ShardResult
  /// Writes what rows are at the beginning.
  let restart: (Rows) -> Void
  private(set) var evaluations: [Int] = []
  private var steps = StepCount(accepted: 0)
  private var count = 0
  var failures: [Int: ComputationError] = [:]

  init(attempt: @escaping (Rows) throws -> ShardResult, restart: @escaping (Rows) -> Void) {
    (self.attempt, self.restart) = (attempt, restart)
  }

  /// The results of all rows that were solved, in their order.
  var result: ShardResult {
    let n = Double(max(1, count))
    return ShardResult(
      steps: StepCount(accepted: steps.accepted / n, rejected: steps.rejected / n), evaluations: evaluations)
  }

  /// How many rows are replaced one by one before the shard is halved.
  private static let replacements = 4

  /// - Parameter x: rows as they are at the beginning.
  mutating func run(_ x: Rows) throws {
    for row in 0..<x.count where ck_first_nonfinite(x.row(row).values, x.dimension) < x.dimension {
      failures[x.first + row] =
        failures[x.first + row] ?? .nonFinite(NonFinite(.state, row: x.first + row, place: "what was given"))
    }
    guard replaceBad(x) else { return }
    for _ in 0...Self.replacements {
      do {
        return add(try attempt(x), rows: x.count)
      } catch let error as ComputationError {
        if error.isStop { throw error }
        let named: Int? = if case .nonFinite(let found) = error { found.row } else { nil }
        restart(x)
        if let row = named ?? (x.count == 1 ? x.first : nil), failures[row] == nil {
          failures[row] = error
        } else {
          break
        }
        guard replaceBad(x) else { return }
      }
    }
    for part in [0..<(x.count + 1) / 2, (x.count + 1) / 2..<x.count] where !part.isEmpty {
      restart(x[part])
      try run(x[part])
    }
  }

  /// Puts copies of the first good row in the place of bad ones; false where all are bad, and nothing is left to solve.
  private mutating func replaceBad(_ x: Rows) -> Bool {
    guard let good = (0..<x.count).first(where: { failures[x.first + $0] == nil }) else {
      add(
        ShardResult(steps: StepCount(accepted: 0), evaluations: [Int](repeating: 0, count: x.count)), rows: x.count)
      return false
    }
    for row in 0..<x.count where failures[x.first + row] != nil { x.row(row).copy(x.row(good)) }
    return true
  }

  private mutating func add(_ result: ShardResult, rows: Int) {
    evaluations += result.evaluations
    steps.accepted += result.steps.accepted * Double(rows)
    steps.rejected += result.steps.rejected * Double(rows)
    count += rows
  }
}

extension Rows {
  /// The same rows, numbered as if `first` others stood before the batch.
  func numbered(from first: Int) -> Rows {
    Rows(memory: values, first: self.first + first, count: count, dimension: dimension)
  }

  /// Copies these rows from a batch, by their places in it.
  func copy(rowsOf batch: Batch) {
    batch.values.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      values.update(from: base + first * dimension, count: size)
    }
  }
}
