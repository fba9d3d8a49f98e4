// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// N steps of a predictor, each after the corrector where there is one (Song et al. 2021, algorithm 1). Without a
/// corrector it is the plain stochastic sampler.
///
/// NFE a row: N (1 + corrector steps).
public struct PredictorCorrector: Solver {
  public let predictor: any Predictor
  public let corrector: (any Corrector)?
  public let grid: (any TimeGrid)?
  private let count: Int

  public var steps: Int? { count }

  /// - Parameter grid: default: the problem's.
  public init(
    _ predictor: any Predictor, corrector: (any Corrector)? = nil, steps: Int, grid: (any TimeGrid)? = nil
  ) {
    precondition(steps > 0)
    self.predictor = predictor
    self.corrector = corrector
    self.grid = grid
    count = steps
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let times = try context.problem.times(steps: count, grid: grid)
    let predict = try predictor.makeStepper(in: context)
    let correct = try corrector?.makeStepper(in: context)
    for i in 0..<count {
      try correct?.correct(x, at: times[i], before: times[i + 1], index: i)
      try predict.step(x, from: times[i], to: times[i + 1], index: i)
      try context.finished(step: i + 1, at: times[i + 1], x)
    }
    return StepCount(accepted: count)
  }
}
