// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A method that also gives a less accurate result, so that `Adaptive` can choose its steps.
public protocol EmbeddedPredictor: Predictor {
  /// The power of the step's length that the difference of the two results falls with.
  var errorOrder: Double { get }
  /// What adaptive steps are measured in.
  var clock: Clock { get }

  /// The method with its memory, for one shard of rows.
  func makeEmbeddedStepper(in context: SolveContext) throws -> any EmbeddedStepper
}

/// What the length of a step is measured in.
public enum Clock: Sendable {
  /// t
  case time
  /// λ = ln(m/σ)
  case logSignalToNoise
}

extension EmbeddedPredictor {
  public var clock: Clock { .time }
  public var embedded: (any EmbeddedPredictor)? { self }

  public func makeStepper(in context: SolveContext) throws -> any PredictorStepper {
    try makeEmbeddedStepper(in: context)
  }
}

/// A method with an embedded error estimate at work on one shard of rows, with the memory for it.
public protocol EmbeddedStepper: PredictorStepper {
  /// Rows of its own for the state that a fixed step makes.
  var next: Rows { get }

  /// Writes the states at `step.to` by the method and by the less accurate one inside it. It leaves x and its own
  /// memory such that it may be called again with a shorter step.
  /// - Parameters:
  ///   - x: the states at `step.from`, rows × dimension.
  ///   - step: the step to try.
  ///   - next: the states at `step.to`, of the shape of x.
  ///   - lower: those of the method inside; nil where nobody asks for them.
  func attempt(_ x: Rows, _ step: Step, into next: Rows, lower: Rows?) throws
}

extension EmbeddedStepper {
  public func step(_ x: Rows, _ step: Step) throws {
    try attempt(x, step, into: next, lower: nil)
    x.copy(next)
  }
}
