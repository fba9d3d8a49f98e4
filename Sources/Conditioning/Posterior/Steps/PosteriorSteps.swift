// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers

/// How a method steps from a noisy state to a less noisy one, given x̂₀ and what was seen: one file a method.
public protocol PosteriorStep: Sendable {
  /// The method at work for one worker, with the memory for it.
  /// - Throws: `InputError` for a model that the method is not made for.
  func makeTerm(for observation: Observation, rows: RowSpan) throws -> any PosteriorStepTerm
}

/// A posterior step at work on one worker's rows.
public protocol PosteriorStepTerm: AnyObject {
  /// Whether it asks the state for products with the Jacobian.
  var usesProducts: Bool { get }

  /// Called once, before the first step, with the prior's draws. Default: nothing.
  /// - Parameters:
  ///   - x: the draws, rows × dimension.
  ///   - prior: the moments of their time.
  func begin(_ x: Rows, prior: Moments)

  /// Moves x, where the state was evaluated, to the earlier time.
  /// - Parameters:
  ///   - x: the states, which are replaced.
  ///   - state: their scores and means.
  ///   - noise: standard normals of this step, which may be overwritten.
  ///   - levels: the moments of both times.
  func step(_ x: Rows, _ state: DenoisedState, noise: Rows, _ levels: StepLevels) throws
}

extension PosteriorStepTerm {
  public var usesProducts: Bool { false }
  public func begin(_ x: Rows, prior: Moments) {}
}

/// The moments of the two times of a step from t to s.
public struct StepLevels: Sendable {
  /// m and σ = √v at t.
  public let scale, deviation: Double
  /// The same at s.
  public let nextScale, nextDeviation: Double

  /// A step between two times of a scalar kernel.
  public init(from later: Moments, to earlier: Moments) {
    (scale, deviation) = (later.scale, later.deviation)
    (nextScale, nextDeviation) = (earlier.scale, earlier.deviation)
  }

  /// The deviation of DDIM's noise, η σ_s √(1 − σ̃_s²/σ̃_t²): for η = 1 that of x_s given x_t and x_0.
  public func addedDeviation(eta: Double) -> Double {
    let share = nextDeviation / nextScale / (deviation / scale)
    return eta * nextDeviation * max(0, 1 - share * share).squareRoot()
  }

  /// b and a of x_s = b x + a x̂₀ + noise, where the noise added has this deviation c: b = √(v_s − c²)/σ, a = m_s − b
  /// m.
  public func coefficients(added: Double) -> (state: Double, mean: Double) {
    let b = max(0, nextDeviation * nextDeviation - added * added).squareRoot() / deviation
    return (b, nextScale - b * scale)
  }
}

/// The predictor of a posterior step: one score a step, and the noise of the problem's path.
public struct PosteriorSteps: Predictor {
  private let method: any PosteriorStep
  private let observation: Observation

  public var requires: Requirements { .kernel }
  public var limit: Limit { .law }

  /// - Parameters:
  ///   - method: how it steps.
  ///   - observation: what was seen.
  public init(_ method: any PosteriorStep, _ observation: Observation) {
    (self.method, self.observation) = (method, observation)
  }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper {
    try Stepper(try method.makeTerm(for: observation, rows: context.span), observation, context)
  }

  final class Stepper: PredictorStepper {
    private let term: any PosteriorStepTerm
    private let kernel: any PerturbationKernel
    private let state: DenoisedState
    private let walker: any BrownianWalker
    private let noise, kept: Rows

    init(_ term: any PosteriorStepTerm, _ observation: Observation, _ context: SolveContext) throws {
      self.term = term
      kernel = try context.problem.requireKernel(for: "a posterior step")
      state = DenoisedState(context.score, kernel, observation, context.span)
      walker = context.path.makeWalker(for: context.span)
      (noise, kept) = (context.makeRows(), context.makeRows())
    }

    func step(_ x: Rows, _ step: Step) throws {
      let (later, earlier) = (kernel.moments(at: step.from), kernel.moments(at: step.to))
      if step.index == 0 { term.begin(x, prior: later) }
      kept.copy(x)
      try state.evaluate(kept, at: .all(step.from), forProducts: term.usesProducts)
      walker.increment(from: step.from, to: step.to, step: step.index, into: noise)
      try term.step(x, state, noise: noise, StepLevels(from: later, to: earlier))
    }
  }
}
