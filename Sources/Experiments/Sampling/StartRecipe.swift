// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Scores
import Solvers

/// Where samples begin instead of with draws of the prior: what `sampling.start` names. A package adds its own as kinds
/// of `Catalogue.starts`.
public protocol StartRecipe: Sendable {
  /// The time at which solvers begin: above ε, at most T; nil: T.
  var time: Double? { get }

  /// Whether the rows are carried to that time by the probability flow of the experiment's own score. Default: false.
  var needsFlow: Bool { get }

  /// How many samples lead from each row to the next; nil, the default: each row begins samples of its own.
  var frames: Int? { get }

  /// - Parameters:
  ///   - process: with its kernel.
  ///   - data: in their own units.
  ///   - count: how many samples are drawn; 0: none are.
  /// - Throws: `InputError` without a location for what the start is not made for. Nothing is loaded yet.
  func check(_ process: PreparedProcess, _ data: any DataSource, count: Int) throws

  /// The rows of data that samples begin with, in the data's units: sample i with row i mod their number.
  /// - Throws: `InputError` for rows that there are not.
  func rows(of data: DataInCoordinates) throws -> Batch

  /// What is known of these rows besides; nil, the default: nothing.
  func conditions(of data: DataInCoordinates) throws -> Conditions?

  /// - Parameters:
  ///   - rows: those that `rows` gave, as a model sees them, or where the start needs the flow their states at `time`.
  ///   - process: with its kernel.
  ///   - seed: of the experiment.
  ///   - period: how many rows of noise a repeat has; nil: there is one repeat. Sample i of each begins with the same.
  func beginning(_ rows: Batch, _ process: PreparedProcess, seed: UInt64, period: Int?) throws -> Beginning
}

extension StartRecipe {
  public var needsFlow: Bool { false }
  public var frames: Int? { nil }
  public func conditions(of data: DataInCoordinates) throws -> Conditions? { nil }
}

extension PreparedProcess {
  /// The kernel, for a start that adds noise to rows.
  func requireStartKernel() throws -> any PerturbationKernel {
    guard let kernel = scalarKernel else {
      throw InputError("needs a process whose perturbation kernel is m(t) x₀ + σ(t) z")
    }
    return kernel
  }
}

/// The rows that a start names: of the config, of a file, or held-out ones.
struct StartRows: Sendable {
  let source: ObservedSource

  /// How many there are, and whether they are as the data's.
  func check(_ data: any DataSource) throws -> Int {
    switch source {
    case .heldOut(let rows): rows.count
    case .firstHeldOut(let count): count
    case .rows, .file, .images: try given(RowShape(dimension: data.dimension, image: data.imageShape)).count
    }
  }

  /// The rows that the config gives.
  private func given(_ shape: RowShape) throws -> Batch {
    let rows = try source.batch(of: shape, -1...1)
    guard shape.image != nil, let far = rows.values.first(where: { abs($0) > 1 }) else { return rows }
    throw InputError("holds \(written(far)); allowed: pixels from −1 to 1")
  }

  /// - Throws: `InputError` for rows that there are not.
  func rows(of data: DataInCoordinates) throws -> Batch {
    let held = data.dataset.heldOutRows
    guard let numbers = try source.numbers(of: held.count, at: "sampling.start") else {
      return try given(RowShape(dimension: data.dataset.trainingRows.dimension, image: data.source.imageShape))
    }
    return Batch(rows: numbers.map { held.row($0) })
  }

  /// The conditions of held-out rows; nil for others.
  func conditions(of data: DataInCoordinates) throws -> Conditions? {
    let numbers = try source.numbers(of: data.dataset.heldOutRows.count, at: "sampling.start")
    return numbers.map { data.dataset.heldOutConditions.only($0) }
  }
}

extension SamplingPlan {
  /// Where solvers begin; nil: at T, with draws of the prior.
  /// - Parameters:
  ///   - states: those that `Experiment.startStates` gave.
  ///   - process: with its kernel.
  ///   - seed: of the experiment.
  ///   - repeats: how often each solver draws.
  ///   - score: that of the samples, which says how far apart the rows of two repeats are.
  func beginning(
    _ states: Batch?, _ process: PreparedProcess, seed: UInt64, repeats: Int, by score: any Score
  ) throws -> Beginning? {
    guard let start, let states else { return nil }
    return try start.beginning(
      states, process, seed: seed, period: repeats > 1 ? Self.stride(of: count, score) : nil)
  }
}

extension Experiment {
  /// The rows that samples begin with as a model sees them, at the start's time where it takes the flow; nil: samples
  /// begin with draws of the prior.
  /// - Parameter source: the experiment's own score. The flow has no guidance, and the conditions of the rows.
  /// - Throws: `ComputationError` for a row that the flow cannot carry; `InputError` for rows that there are not.
  func startStates(_ source: ScoreSource, _ data: DataInCoordinates) throws -> Batch? {
    guard let start = plan.sampling.start else { return nil }
    let rows = try data.encodedStates(start.rows(of: data))
    guard start.needsFlow else { return rows }
    let score = try source.score(
      given: conditions(
        of: rows.count, start.conditions(of: data) ?? .nothing, at: "sampling.start", source, data.dataset))
    let sampler = Sampler(
      process: plan.prepared, score: score, dimension: data.source.dimension, seed: plan.seed, threads: threads)
    return try sampler.transport(
      sampler.lifted(rows), from: plan.likelihood.likelihood.epsilon, to: start.time ?? plan.process.duration,
      with: plan.likelihood.flow
    ).batch
  }
}
