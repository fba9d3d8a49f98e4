// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// A predictor takes N steps over a time grid: the plain loop of every method whose steps are chosen beforehand. With a
/// corrector, which runs before each step, it is the predictor–corrector sampler (Song et al. 2021, algorithm 1).
///
/// NFE a row: N (those of a predictor's step + those of the corrector's).
public struct FixedSteps: Solver {
  /// What moves the states from time to time.
  public let predictor: any Predictor
  /// What corrects them before each step; nil: nothing.
  public let corrector: (any Corrector)?
  public let grid: (any TimeGrid)?
  /// How the last step is taken.
  public let lastStep: LastStep
  private let count: Int

  public var steps: Int? { count }
  public var fixedSteps: FixedSteps? { self }
  public var limit: Limit { corrector == nil ? predictor.limit : .law }
  public var requires: Requirements { predictor.requires.union(corrector?.requires ?? []) }

  /// The order of the step that ends at ε, of methods of higher order. Near σ = 0 a long step of high order is less
  /// accurate than one of order 1.
  public enum LastStep: String, Sendable, CaseIterable {
    /// First order where it is more than twice as long in ln(σ/m) as the step before.
    case auto
    /// Always first order.
    case first
    /// The order of all others.
    case full
  }

  /// - Parameters:
  ///   - predictor: the method that takes the steps.
  ///   - corrector: what runs before each step; nil for nothing.
  ///   - steps: N, at least 1.
  ///   - grid: where the steps begin and end; nil for the problem's grid.
  ///   - lastStep: the order of the step that ends at ε.
  public init(
    _ predictor: any Predictor, corrector: (any Corrector)? = nil, steps: Int, grid: (any TimeGrid)? = nil,
    lastStep: LastStep = .auto
  ) {
    precondition(steps > 0)
    self.predictor = predictor
    self.corrector = corrector
    self.grid = grid
    self.lastStep = lastStep
    count = steps
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let times = try context.problem.setting.times(steps: count, grid: grid)
    let lowersLast = lowersLastStep(times, context.problem.setting.noise)
    let predict = try predictor.makeStepper(in: context)
    let correct = try corrector?.makeStepper(in: context)
    context.started(at: times[0], x)
    for i in 0..<count {
      let step = Step(
        from: times[i], to: times[i + 1], index: i, count: count, isFirstOrder: lowersLast && i == count - 1)
      if let correct {
        try correct.correct(x, step)
        predict.stateChanged()
      }
      try predict.step(x, step)
      try context.finished(step: i + 1, at: times[i + 1], x)
    }
    return StepCount(accepted: Double(count))
  }

  private func lowersLastStep(_ times: [Double], _ kernel: (any PerturbationKernel)?) -> Bool {
    switch lastStep {
    case .first: return true
    case .full: return false
    case .auto:
      guard count > 1, let kernel else { return false }
      let levels = times.suffix(3).map { kernel.moments(at: $0).noiseToSignal }
      return levels[1] / levels[2] > (levels[0] / levels[1]) * (levels[0] / levels[1])
    }
  }
}
