// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Synchronization

/// Draws samples: the prior at T, carried to ε by any solver.
///
/// Solvers that share a sampler share the prior draws, so that a difference between their samples is theirs.
public struct Sampler: Sendable {
  /// What is solved.
  public let problem: SamplingProblem
  /// How many shards of rows are solved at once; samples do not depend on it.
  public let threads: Int

  /// Samples of a problem.
  public init(_ problem: SamplingProblem, threads: Int = Shards.processors) {
    self.problem = problem
    self.threads = threads
  }

  /// - Parameters:
  ///   - process: the process whose reverse SDE or flow is solved, with its kernel and prior made once.
  ///   - score: the score of its law at every time.
  ///   - dimension: how many values a row of the data has.
  ///   - seed: for the prior's draws and all other noise.
  ///   - epsilon: ε, where solvers stop; nil for the process's own.
  ///   - path: where the noise of steps comes from; nil for independent noise at every step.
  ///   - grid: the grid of fixed steps, for solvers that have none of their own; nil for the process's.
  ///   - beginning: where solvers begin; nil: at T, with draws of the prior.
  ///   - threads: how many shards are solved at once.
  public init(
    process: PreparedProcess, score: any Score, dimension: Int, seed: UInt64, epsilon: Double? = nil,
    path: (any BrownianPath)? = nil, grid: (any TimeGrid)? = nil, beginning: Beginning? = nil,
    threads: Int = Shards.processors
  ) {
    self.init(
      SamplingProblem(
        process: process, score: score, dimension: dimension, seed: seed, epsilon: epsilon, path: path, grid: grid,
        beginning: beginning),
      threads: threads)
  }

  /// The same for a process that nobody has prepared.
  /// - Parameters:
  ///   - process: its kernel and prior are made here.
  ///   - score: the score of its laws.
  ///   - dimension: how many values a row of the data has.
  ///   - seed: what prior draws and noise are keyed by.
  ///   - epsilon: ε, at which solvers stop; default: the process's own.
  ///   - path: where the noise of predictors comes from; default: fresh normals for every step.
  ///   - grid: of solvers with fixed steps that have none of their own; default: the process's own.
  ///   - threads: how many shards of rows are solved at once; samples do not depend on it.
  public init(
    process: any SDE, score: any Score, dimension: Int, seed: UInt64, epsilon: Double? = nil,
    path: (any BrownianPath)? = nil, grid: (any TimeGrid)? = nil, threads: Int = Shards.processors
  ) {
    self.init(
      process: PreparedProcess(process), score: score, dimension: dimension, seed: seed, epsilon: epsilon, path: path,
      grid: grid, threads: threads)
  }

  /// Draws from the prior: rows `first` ..< `first + count` of the stream (seed, prior).
  public func prior(_ count: Int, from first: Int = 0) throws -> Batch {
    var batch = Batch(count: count, dimension: problem.stateDimension)
    let stream = NoiseStream(seed: problem.seed, purpose: .prior)
    try batch.forEachShard(threads: threads) { problem.prior.draw(into: $0.numbered(from: first), from: stream) }
    return batch
  }

  /// `count` samples by `solver`: rows `first` ..< `first + count` of all streams of noise.
  ///
  /// Ranks (`Team.current`) share the shards, and each has all samples at the end.
  ///
  /// With fixed steps row i depends on nothing but the seed and i. The last block of rows is filled up with rows that
  /// are thrown away, so that a shared step size does not depend on `count` either.
  /// - Parameters:
  ///   - count: how many rows.
  ///   - first: the number of the first one; rows of other numbers are other draws.
  ///   - solver: what carries them from T to ε.
  ///   - denoise: whether to end with Tweedie's mean at ε, which takes one more evaluation.
  ///   - block: how many rows a worker carries, with no rows that are thrown away; nil: as many as the score asks for.
  ///   - progress: who is told of every step.
  ///   - observer: who sees the rows after every step.
  public func draw(
    _ count: Int, from first: Int = 0, with solver: any Solver, denoise: Bool = true, block: Int? = nil,
    progress: (any ProgressObserver)? = nil, observer: (any StepObserver)? = nil
  ) throws -> Samples {
    precondition(count >= 0 && first >= 0)
    try solver.check(problem.setting)
    let clock = ContinuousClock()
    let start = clock.now
    let size = solver.carriesAllRows ? max(1, count) : block ?? shardRows(of: solver)
    let padded = block == nil ? Shards(rows: count, size: size).count * size : count
    var batch = Batch(count: padded, dimension: problem.stateDimension)
    try batch.forEachShard(threads: threads) { problem.begin($0.numbered(from: first)) }
    let path = solver.needsBrownianPath ? problem.brownianPath : problem.path
    // What a solver or an observer notes, only the rank knows that ran it.
    let isShared = observer == nil && !(solver is any ReportingSolver)
    let results = try run(
      &batch, from: first, of: size, path, progress, observer, among: isShared ? Team.current : OneRank.shared,
      restart: { problem.begin($0) }
    ) { x, context in
      let steps = try solver.solve(x, in: context)
      if denoise && !solver.endsWithData { try context.denoise(x, at: problem.epsilon, step: Int(steps.accepted) + 1) }
      return steps
    }
    batch.truncate(to: count)
    return Samples(
      batch: try projected(batch),
      statistics: Statistics(
        results.shards, rows: count, from: first, seconds: start.duration(to: clock.now).seconds))
  }

  /// How many values a block of rows has at most, where a Brownian tree is kept for each.
  private static let valuesWithTree = 1 << 16

  /// How many rows a worker carries at a time. Rows with a Brownian tree are many only where they are narrow: the spare
  /// rows of the last block are solved as well, and a tree is some ninety times as large as a state.
  func shardRows(of solver: any Solver) -> Int {
    let size = problem.score.shardRows
    guard solver.needsBrownianPath else { return size }
    var rows = Shards.rows
    while rows > 1 && rows * problem.stateDimension > Self.valuesWithTree { rows /= 2 }
    return min(size, rows)
  }

  /// States at t = 0 that hold given points; what else is in them is drawn, keyed by (seed, row).
  public func lifted(_ points: Batch) throws -> Batch {
    let width = problem.process.stateDimension(of: points.dimension)
    if width == points.dimension { return points }
    var (states, data) = (Batch(count: points.count, dimension: width), points)
    let stream = NoiseStream(seed: problem.seed, purpose: .auxiliary)
    states.withRows { states in data.withRows { problem.process.lift($0, into: states, from: stream) } }
    return states
  }

  /// The data of states.
  public func projected(_ states: Batch) throws -> Batch {
    if states.dimension == problem.dimension { return states }
    var (states, data) = (states, Batch(count: states.count, dimension: problem.dimension))
    states.withRows { states in data.withRows { problem.process.project(states, into: $0) } }
    return data
  }

  /// Carries given states along the probability flow from one time to another: ε to T encodes, T to ε decodes.
  /// - Parameters:
  ///   - points: the states, rows × dimension of a state.
  ///   - start: the time at which they stand.
  ///   - end: the time to carry them to.
  ///   - flow: the flow, with its integrator.
  ///   - badRows: whether a row that cannot be carried fails the others, too.
  public func transport(
    _ points: Batch, from start: Double, to end: Double, with flow: ProbabilityFlow, badRows: BadRows = .fail
  ) throws -> Samples {
    let clock = ContinuousClock()
    let began = clock.now
    var batch = points
    let results = try run(
      &batch, problem.path, nil, nil, badRows: badRows, among: Team.current, restart: { $0.copy(rowsOf: points) }
    ) { x, context in
      try flow.transport(x, from: start, to: end, in: context)
    }
    return Samples(
      batch: batch,
      statistics: Statistics(results.shards, rows: batch.count, seconds: began.duration(to: clock.now).seconds),
      failures: results.failures)
  }
}

/// Samples and what they cost.
public struct Samples: Sendable {
  /// The samples, count × dimension of the data.
  public let batch: Batch
  /// What they cost.
  public let statistics: Statistics
  /// Why rows are not a number, by row: only where others are kept (`BadRows`).
  public let failures: [Int: ComputationError]

  init(batch: Batch, statistics: Statistics, failures: [Int: ComputationError] = [:]) {
    (self.batch, self.statistics, self.failures) = (batch, statistics, failures)
  }
}

/// What samples cost.
public struct Statistics: Sendable, Equatable {
  /// Score evaluations a row: the mean over rows, and the largest.
  public let nfe: Double
  /// Score evaluations of the row that took most.
  public let nfeMax: Int
  /// Steps accepted and rejected, means over rows.
  public let accepted, rejected: Double
  /// Wall time.
  public let seconds: Double

  /// Means over `rows` rows from `first` on, which shards may overhang.
  init(_ shards: [Int: ShardResult], rows: Int, from first: Int = 0, seconds: Double) {
    // In the order of rows, so that sums do not depend on who finished first.
    func mean(_ value: (ShardResult, _ rows: Int) -> Double) -> Double {
      var sum = 0.0
      for row in shards.keys.sorted() {
        let shard = shards[row]!
        sum += value(shard, min(shard.evaluations.count, max(0, first + rows - row)))
      }
      return rows > 0 ? sum / Double(rows) : 0
    }
    nfe = mean { shard, count in Double(shard.evaluations.prefix(count).reduce(0, +)) }
    nfeMax = shards.map { $0.value.evaluations.prefix(max(0, first + rows - $0.key)).max() ?? 0 }.max() ?? 0
    accepted = mean { shard, count in shard.steps.accepted * Double(count) }
    rejected = mean { shard, count in shard.steps.rejected * Double(count) }
    self.seconds = seconds
  }
}
