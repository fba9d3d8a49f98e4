// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores

/// Measures how fast a method's error falls with its steps: the root mean square, over rows, of the difference at ε
/// from the exact solution of the same beginnings and, for the reverse SDE, of the same Brownian paths.
///
/// The exact solution is `ReferenceSolver`'s, with 16 times the largest number of steps for the SDE. An order is −slope
/// of ln error over ln N by least squares, its interval from leaving out one of 16 groups of rows at a time (jackknife,
/// two-sided 95 %).
public struct ConvergenceStudy: Sendable {
  /// The errors of one method, and the order that follows from them.
  public struct Measurement: Sendable {
    /// The numbers of steps N.
    public let steps: [Int]
    /// The error for each N: root mean square over rows and coordinates.
    public let errors: [Double]
    /// nil where fewer than two errors are above the reference's own.
    public let order: Double?
    /// The 95 % interval of the order; nil where there is no order.
    public let interval: ClosedRange<Double>?
  }

  private static let groups = 16

  /// The process whose reverse SDE or flow is solved.
  public let process: PreparedProcess
  /// The score of its law.
  public let score: any Score
  /// How many values a row of the data has.
  public let dimension: Int
  /// The seed of prior draws and Brownian paths.
  public let seed: UInt64
  /// ε: where errors are taken.
  public let epsilon: Double
  /// Where solvers begin; nil: at T, with draws of the prior.
  public let beginning: Beginning?
  /// The numbers of steps that are tried.
  public let steps: [Int]
  /// How many rows are solved.
  public let rows: Int
  /// How many shards of rows are solved at once.
  public let threads: Int
  private let exact: ReferenceSolver

  /// - Parameters:
  ///   - process: the process whose reverse SDE or flow is solved.
  ///   - score: the score of its law.
  ///   - dimension: how many values a row of the data has.
  ///   - seed: for the prior's draws and the Brownian paths.
  ///   - epsilon: ε; default: the process's own.
  ///   - steps: at least two counts, rising.
  ///   - rows: a multiple of 16.
  ///   - beginning: where solvers begin; default: at T, with draws of the prior.
  ///   - threads: how many rows' shards are solved at once.
  public init(
    process: PreparedProcess, score: any Score, dimension: Int, seed: UInt64, epsilon: Double? = nil, steps: [Int],
    rows: Int = 1024, beginning: Beginning? = nil, threads: Int = Shards.processors
  ) {
    precondition(steps.count > 1 && rows % Self.groups == 0 && rows > 0)
    self.process = process
    self.score = score
    self.dimension = dimension
    self.seed = seed
    self.epsilon = epsilon ?? process.sde.samplingEpsilon
    self.steps = steps
    self.rows = rows
    self.beginning = beginning
    self.threads = threads
    exact = ReferenceSolver(
      SamplingSetting(
        process, start: beginning?.time, epsilon: self.epsilon, grid: process.sde.samplingSpacing.grid,
        traits: score.traits))
  }

  /// The exact ends of all rows on a grid: of the flow where `isStochastic` is false.
  public func reference(isStochastic: Bool, grid: any TimeGrid) throws -> Batch {
    let solver: any Solver = isStochastic ? exact.path(steps: (steps.max() ?? 1) * 16, grid: grid) : exact.flow()
    return try sampler(grid).draw(rows, with: solver, denoise: false).batch
  }

  /// - Parameters:
  ///   - predictor: the method that is judged.
  ///   - grid: of its steps.
  ///   - reference: what `reference` gave for the same grid.
  ///   - exactStart: how many first steps are taken along the exact flow, for multistep methods.
  public func measure(
    _ predictor: any Predictor, grid: any TimeGrid, against reference: Batch, exactStart: Int = 0
  ) throws -> Measurement {
    let sampler = try sampler(grid)
    let method: any Predictor =
      exactStart > 0 ? ExactStart(base: predictor, steps: exactStart, exact: exact) : predictor
    // Squares of each group, at each number of steps.
    let squares = try steps.map { count in
      let solver = FixedSteps(method, steps: count, grid: grid, lastStep: .full)
      let end = try sampler.draw(rows, with: solver, denoise: false).batch
      return (0..<Self.groups).map { group in
        let size = rows / Self.groups * dimension
        return (group * size..<(group + 1) * size).reduce(0.0) { sum, i in
          let d = end.values[i] - reference.values[i]
          return sum + d * d
        }
      }
    }
    let errors = squares.map { ($0.reduce(0, +) / Double(rows * dimension)).squareRoot() }
    let kept = steps.indices.filter { errors[$0] > exact.floor }
    guard kept.count > 1 else { return Measurement(steps: steps, errors: errors, order: nil, interval: nil) }
    func order(without group: Int?) -> Double {
      let x = kept.map { log(Double(steps[$0])) }
      let y = kept.map { k in
        0.5 * log(squares[k].enumerated().reduce(0) { $1.offset == group ? $0 : $0 + $1.element })
      }
      let (meanX, meanY) = (x.reduce(0, +) / Double(x.count), y.reduce(0, +) / Double(y.count))
      let covariance = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) }
      return -covariance / x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    }
    let all = order(without: nil)
    let parts = (0..<Self.groups).map { order(without: $0) }
    let mean = parts.reduce(0, +) / Double(Self.groups)
    let spread = parts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } * Double(Self.groups - 1) / Double(Self.groups)
    // Student's t with 15 degrees of freedom.
    let half = 2.13 * spread.squareRoot()
    return Measurement(steps: steps, errors: errors, order: all, interval: (all - half)...(all + half))
  }

  private func sampler(_ grid: any TimeGrid) throws -> Sampler {
    let finest = try grid.times(
      from: beginning?.time ?? process.duration, to: epsilon, steps: (steps.max() ?? 1) * 16, kernel: process.noise)
    let path = CoupledPath(
      seed: seed, duration: process.duration, depth: CoupledPath.depth(for: finest, duration: process.duration))
    return Sampler(
      process: process, score: score, dimension: dimension, seed: seed, epsilon: epsilon, path: path, grid: grid,
      beginning: beginning, threads: threads)
  }

  /// A method whose first states are exact: it takes its own steps for what it remembers of them.
  private struct ExactStart: Predictor {
    let base: any Predictor
    let steps: Int
    let exact: ReferenceSolver
    var requires: Requirements { base.requires }

    func makeStepper(in context: SolveContext) throws -> any PredictorStepper {
      Stepper(try base.makeStepper(in: context), steps, exact, context)
    }

    final class Stepper: PredictorStepper {
      private let base: any PredictorStepper
      private let steps: Int
      private let exact: ReferenceSolver
      private unowned let context: SolveContext
      private let copy: Rows

      init(_ base: any PredictorStepper, _ steps: Int, _ exact: ReferenceSolver, _ context: SolveContext) {
        (self.base, self.steps, self.exact, self.context) = (base, steps, exact, context)
        copy = context.makeRows()
      }

      func step(_ x: Rows, _ step: Step) throws {
        if step.index >= steps { return try base.step(x, step) }
        copy.copy(x)
        try base.step(copy, step)
        _ = try exact.flow().transport(x, from: step.from, to: step.to, in: context)
      }
    }
  }
}
