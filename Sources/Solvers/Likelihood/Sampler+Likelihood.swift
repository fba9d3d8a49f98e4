// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Log densities of points, and what they cost.
public struct LogDensities: Sendable {
  /// log p_ε(x) of each row, in nats.
  public let values: [Double]
  /// The standard error of each value from the spread of its probes: their sample deviation / √probes. It is nil where
  /// the divergence is exact, and for a single probe. The integrator's error is not in it.
  public let standardErrors: [Double]?
  /// Where the flow took each row: its code at T.
  public let latents: Batch
  /// What it cost. Evaluations are scores and Jacobian products together.
  public let statistics: Statistics
  /// Why rows have no density, by row: only where others are kept (`BadRows`). Their values are not a number.
  public let failures: [Int: ComputationError]
}

extension Sampler {
  /// The log density of given points under the model that the problem's score defines. Where a state is wider than the
  /// data its rest v is drawn, and the result is log p(x, v) − log p(v): the logarithm of an unbiased estimate, and so
  /// in the mean a lower bound, which is exact for a model in which x and v are independent at ε. The likelihood has an
  /// ε of its own; that of the problem is not used.
  ///
  /// Probes are keyed by (seed, row). Rows of a shard share their steps, so that a row depends on its shard to the
  /// integrator's tolerance. Nothing depends on the number of threads.
  /// - Throws: `InputError` where process or score lack what is needed, or where the dimension is too large for the
  ///   exact divergence; `ComputationError` with row and time where a state stops being finite.
  /// - Parameters:
  ///   - points: rows × dimension.
  ///   - likelihood: how densities are computed.
  ///   - badRows: whether a row that cannot be carried fails the others, too.
  ///   - progress: who is told of every step.
  public func logDensities(
    of points: Batch, with likelihood: Likelihood, badRows: BadRows = .fail,
    progress: (any ProgressObserver)? = nil
  ) throws -> LogDensities {
    try problem.setting.require(likelihood.requires)
    try likelihood.requireExplicitIntegrator()
    try likelihood.requireDimension(points.dimension)
    precondition(likelihood.epsilon < problem.process.duration, "0 ≤ ε < T")
    return try logDensities(
      of: points, likelihood.terminal, badRows, progress, hasErrors: likelihood.divergence.hasErrors
    ) { x, context, out in
      let flow = AugmentedFlow(likelihood, in: context)
      let steps = try flow.encode(x)
      for row in 0..<x.count {
        let divergence = flow.divergence(ofRow: row)
        (out[2 * row], out[2 * row + 1]) = (divergence.mean, divergence.standardError ?? .nan)
      }
      return steps
    }
  }

  /// log p_T of where rows are carried, and the log determinant of the way there.
  /// - Parameters:
  ///   - hasErrors: whether determinants have standard errors.
  ///   - carry: takes rows from ε to T in place, and writes the log determinant of each and its standard error.
  func logDensities(
    of points: Batch, _ terminal: Likelihood.Terminal, _ badRows: BadRows, _ progress: (any ProgressObserver)?,
    hasErrors: Bool,
    _ carry:
      @escaping @Sendable (_ x: Rows, _ context: SolveContext, _ out: UnsafeMutablePointer<Double>) throws ->
      StepCount
  ) throws -> LogDensities {
    let clock = ContinuousClock()
    let start = clock.now
    let states = try lifted(points)
    var latents = states
    // A value and its standard error a row.
    var table = Batch(count: points.count, dimension: 2)
    let ranks = Team.current
    let results = try table.withRows { table in
      let memory = SharedMemory(table.values)
      let results = try run(
        &latents, problem.path, progress, nil, badRows: badRows, among: ranks, restart: { $0.copy(rowsOf: states) }
      ) { x, context in
        // What the state has beside the data, v, is drawn apart from x: log p(x) = log p(x, v) − log p(v).
        let auxiliary = RowStorage(x.span.with(dimension: 1))
        problem.process.auxiliaryLogDensity(x, into: auxiliary.rows.values)
        let entries = memory.pointer + 2 * x.first
        let steps = try carry(x, context, entries)
        try RowStorage.with(x.span.with(dimension: 1), count: 1) { storage in
          let ends = storage[0]
          switch terminal {
          case .prior: problem.prior.logDensity(x, into: ends.values)
          case .exact: try context.score.logDensity(x, at: .all(problem.process.duration), into: ends.values)
          }
          for row in 0..<x.count { entries[2 * row] += ends[row, 0] - auxiliary.rows[row, 0] }
        }
        return steps
      }
      ranks.gather(memory.pointer, .rows) { rank in
        let part = ranks.rows(of: Shards(rows: points.count, size: problem.score.shardRows), rank: rank)
        return part.lowerBound * 2 * MemoryLayout<Double>.stride..<part.upperBound * 2 * MemoryLayout<Double>.stride
      }
      return results
    }
    for row in results.failures.keys { (table[row, 0], table[row, 1]) = (.nan, .nan) }
    return LogDensities(
      values: (0..<table.count).map { table[$0, 0] },
      standardErrors: hasErrors ? (0..<table.count).map { table[$0, 1] } : nil, latents: latents,
      statistics: Statistics(results.shards, rows: points.count, seconds: start.duration(to: clock.now).seconds),
      failures: results.failures)
  }
}
