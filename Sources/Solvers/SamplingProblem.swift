// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// What a solver is asked to do: carry rows from the prior at T back to ε, under a process and a score.
public struct SamplingProblem: Sendable {
  /// The process, ε and the grid.
  public let setting: SamplingSetting
  /// The score of the process's laws.
  public let score: any Score
  /// How many values a row of the data has.
  public let dimension: Int
  /// What prior draws and noise are keyed by.
  public let seed: UInt64
  /// Where the noise of predictors comes from.
  public let path: any BrownianPath
  /// Where solvers begin; nil: at T, with draws of the prior.
  public let beginning: Beginning?

  /// The process with its kernel and prior.
  public var prepared: PreparedProcess { setting.prepared }
  /// The process itself.
  public var process: any SDE { setting.process }
  /// The law close to that of x_T, where solvers begin.
  public var prior: any Prior { setting.prepared.prior }
  /// The kernel where its moments are scalars.
  public var kernel: (any PerturbationKernel)? { setting.kernel }
  /// ε, the time at which solvers stop.
  public var epsilon: Double { setting.epsilon }
  /// The map of the flow, of a network that was trained for it; nil for others.
  public var map: (any FlowMap)? { score.flowMap }
  /// The grid of solvers with fixed steps that have none of their own.
  public var grid: any TimeGrid { setting.grid }
  /// How many values a state has, which may be wider than the data.
  public var stateDimension: Int { process.stateDimension(of: dimension) }

  /// - Parameters:
  ///   - process: the process whose reverse SDE or flow is solved, with its kernel and prior made once.
  ///   - score: the score of its law at every time.
  ///   - dimension: how many values a row of the data has.
  ///   - seed: for the prior's draws and all other noise.
  ///   - epsilon: ε, the time at which solvers stop, 0 ≤ ε < T; nil for the process's own.
  ///   - path: where the noise of steps comes from; nil for independent noise at every step.
  ///   - grid: the grid of fixed steps, for solvers that have none of their own; nil for the process's.
  ///   - beginning: where solvers begin; nil: at T, with draws of the prior.
  public init(
    process: PreparedProcess, score: any Score, dimension: Int, seed: UInt64, epsilon: Double? = nil,
    path: (any BrownianPath)? = nil, grid: (any TimeGrid)? = nil, beginning: Beginning? = nil
  ) {
    setting = SamplingSetting(
      process, start: beginning?.time, epsilon: epsilon ?? process.sde.samplingEpsilon,
      grid: grid ?? process.sde.samplingSpacing.grid, traits: score.traits, map: score.flowMap?.range)
    self.beginning = beginning
    self.score = score
    self.dimension = dimension
    self.seed = seed
    self.path = path ?? IndependentPath(seed: seed)
    precondition(
      self.epsilon >= 0 && self.epsilon < setting.start && setting.start <= process.duration, "0 ≤ ε < start ≤ T")
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
  public init(
    process: any SDE, score: any Score, dimension: Int, seed: UInt64, epsilon: Double? = nil,
    path: (any BrownianPath)? = nil, grid: (any TimeGrid)? = nil
  ) {
    self.init(
      process: PreparedProcess(process), score: score, dimension: dimension, seed: seed, epsilon: epsilon, path: path,
      grid: grid)
  }

  /// A path that is the same whatever steps are taken, for solvers that choose them as they go: as fine as a step of
  /// 2⁻²⁰ T asks for. The problem's own, if it is such a one.
  var brownianPath: any BrownianPath {
    path.allowsAnySteps ? path : CoupledPath(seed: seed, duration: process.duration, depth: CoupledPath.depthOfAnySteps)
  }

  /// Writes the states in which rows begin.
  public func begin(_ x: Rows) {
    guard let beginning else { return prior.draw(into: x, from: NoiseStream(seed: seed, purpose: .prior)) }
    beginning.write(x)
  }

  /// The kernel, for a solver that cannot do without.
  public func requireKernel(for solver: String) throws -> any PerturbationKernel {
    guard let kernel else {
      throw InputError("\(solver) needs a process whose perturbation kernel is m(t) x₀ + σ(t) z; this one has none")
    }
    return kernel
  }
}

/// A worker's side of a problem for one shard: the evaluator that counts, and memory that lives as long as the solve.
public final class SolveContext {
  /// What is solved.
  public let problem: SamplingProblem
  /// Which rows the shard has, with the dimension of a state.
  public let span: RowSpan
  /// The score, which counts its evaluations.
  public let score: CountingEvaluator
  /// Where noise comes from: the problem's path, or one that does not depend on the steps.
  public let path: any BrownianPath
  private var storages: [RowStorage] = []
  private let progress: (any ProgressObserver)?
  private let observer: (any StepObserver)?
  /// The data of a state that is wider, for the observer.
  private let seen: RowStorage?

  /// - Parameters:
  ///   - problem: what is solved.
  ///   - span: which rows this shard has, with the dimension of a state.
  ///   - path: where noise comes from; nil for the problem's path.
  ///   - progress: who is told of every step.
  ///   - observer: who sees the rows after every step.
  ///   - watches: whether a score that is not finite ends the solve at once, with a word on where it arose.
  public init(
    _ problem: SamplingProblem, rows span: RowSpan, path: (any BrownianPath)? = nil,
    progress: (any ProgressObserver)? = nil,
    observer: (any StepObserver)? = nil, watches: Bool = false
  ) throws {
    self.problem = problem
    self.span = span
    self.path = path ?? problem.path
    self.progress = progress
    self.observer = observer
    let data = span.with(dimension: problem.dimension)
    seen = observer != nil && span.dimension != data.dimension ? RowStorage(data) : nil
    score = CountingEvaluator(try problem.score.makeEvaluator(for: span), rows: span, watches: watches)
  }

  /// A context within another one, of the same rows: for a stepper that is to see another process and score. Nobody
  /// watches it.
  init(
    within outer: SolveContext, process: any SDE, _ evaluator: any ScoreEvaluator, path: any BrownianPath
  ) {
    let problem = outer.problem
    self.problem = SamplingProblem(
      process: PreparedProcess(process), score: problem.score, dimension: problem.dimension, seed: problem.seed,
      epsilon: 0, path: path)
    span = outer.span
    self.path = path
    score = CountingEvaluator(evaluator, rows: outer.span)
    (progress, observer, seen) = (nil, nil, nil)
  }

  private var mapEvaluator: (any FlowMapEvaluator)?

  /// Carries rows by the map of the flow, which counts as one evaluation of a row.
  /// - Parameters:
  ///   - x: the states at t, rows × dimension: all rows of the shard.
  ///   - t: their time.
  ///   - s: the time to carry them to, at most t.
  ///   - y: the states at s; of the shape of x, which it does not overlap.
  /// - Throws: `InputError` where there is no map.
  public func map(_ x: Rows, from t: Double, to s: Double, into y: Rows) throws {
    try evaluator(of: x, cost: 1).map(x, from: t, to: s, into: y)
  }

  /// The same with the log determinant of the map, which counts as many evaluations as its method takes.
  /// - Parameters:
  ///   - x: the states at t, rows × dimension: all rows of the shard.
  ///   - t: their time.
  ///   - s: the time to carry them to.
  ///   - y: the states at s; of the shape of x, which it does not overlap.
  ///   - method: how the determinant is found.
  ///   - logDeterminants: `x.count` values.
  /// - Throws: `InputError` where there is no map, or none with a determinant.
  public func map(
    _ x: Rows, from t: Double, to s: Double, into y: Rows, _ method: LogDeterminant,
    logDeterminants: UnsafeMutablePointer<Double>
  ) throws {
    try evaluator(of: x, cost: method.cost(dimension: x.dimension)).map(
      x, from: t, to: s, into: y, method, logDeterminants: logDeterminants)
  }

  private func evaluator(of x: Rows, cost: Int) throws -> any FlowMapEvaluator {
    try StopSignals.check()
    guard let map = problem.map else { throw InputError("needs \(Requirements.flowMap.phrases[0])") }
    let evaluator = try mapEvaluator ?? map.makeEvaluator(for: span)
    mapEvaluator = evaluator
    for row in 0..<x.count { score.add(cost, to: x.first - span.first + row) }
    return evaluator
  }

  /// Rows for a stepper's own use, valid as long as the context.
  public func makeRows() -> Rows {
    let storage = RowStorage(span)
    storages.append(storage)
    return storage.rows
  }

  /// To be called before the first step.
  public func started(at time: Double, _ x: Rows) { observe(step: 0, at: time, x) }

  /// Shows a state to whoever watches.
  public func observe(step: Int, at time: Double, _ x: Rows) {
    guard let observer else { return }
    guard let seen else { return observer.reached(x, step: step, at: time) }
    let data = seen.view(like: x)
    problem.process.project(x, into: data)
    observer.reached(data, step: step, at: time)
  }

  /// To be called after each step: reports progress and stops a state that is not finite.
  /// - Parameters:
  ///   - step: its number, from 1.
  ///   - time: the time at which it ended.
  ///   - x: the states there, rows × dimension.
  public func finished(step: Int, at time: Double, _ x: Rows) throws {
    try finishedUnseen(step: step, at: time, x)
    observe(step: step, at: time, x)
  }

  /// As `finished`, for steps that observers are not to see.
  public func finishedUnseen(step: Int, at time: Double, _ x: Rows) throws {
    try requireFinite(step: step, at: time, x)
    progress?.advance(by: 1)
  }

  /// Throws where a state is not finite.
  public func requireFinite(step: Int, at time: Double, _ x: Rows) throws {
    let bad = ck_first_nonfinite(x.values, x.size)
    if bad < x.size {
      throw ComputationError.nonFinite(.state(row: x.first + bad / x.dimension, step: step, time: time))
    }
  }
}
