// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// A method with steps of its user's choice, for the reverse-time SDE or for the probability flow.
public protocol Predictor: Sendable {
  /// What process and score must offer.
  var requires: Requirements { get }

  /// What it converges to as its steps become shorter.
  var limit: Limit { get }

  /// The same method with an error estimate, for adaptive steps; nil where it has none.
  var embedded: (any EmbeddedPredictor)? { get }

  /// Whether a step may be made with order 1 instead of the method's own (`Step.isFirstOrder`).
  var hasLowerOrders: Bool { get }

  /// A stepper for one solve; it may keep what earlier steps computed.
  func makeStepper(in context: SolveContext) throws -> any PredictorStepper
}

extension Predictor {
  public var requires: Requirements { [] }
  public var limit: Limit { .flow }
  public var embedded: (any EmbeddedPredictor)? { nil }
  public var hasLowerOrders: Bool { false }
  /// Whether its steps add noise.
  public var isStochastic: Bool { limit != .flow }
}

/// One step of a solve.
public struct Step: Sendable, Equatable {
  /// t
  public let from: Double
  /// s < t
  public let to: Double
  /// From 0.
  public let index: Int
  /// How many steps the solve has; nil where they are chosen on the way.
  public let count: Int?
  /// The largest order that a method may make this step with.
  public let maximumOrder: Int

  /// Whether a method of higher order is to make this step with order 1.
  public var isFirstOrder: Bool { maximumOrder == 1 }

  /// - Parameters:
  ///   - from: t
  ///   - to: s < t
  ///   - index: the number of the step, from 0.
  ///   - count: how many steps the solve has; nil where they are chosen on the way.
  ///   - isFirstOrder: whether a method of higher order is to make this step with order 1.
  public init(from: Double, to: Double, index: Int, count: Int?, isFirstOrder: Bool = false) {
    self.init(from: from, to: to, index: index, count: count, maximumOrder: isFirstOrder ? 1 : .max)
  }

  /// - Parameters:
  ///   - from: t
  ///   - to: s < t
  ///   - index: the number of the step, from 0.
  ///   - count: how many steps the solve has; nil where they are chosen on the way.
  ///   - maximumOrder: the largest order that a method may make this step with, at least 1.
  public init(from: Double, to: Double, index: Int, count: Int?, maximumOrder: Int) {
    precondition(maximumOrder > 0, "an order of at least 1")
    self.from = from
    self.to = to
    self.index = index
    self.count = count
    self.maximumOrder = maximumOrder
  }

  /// h = t − s > 0
  public var length: Double { from - to }
}

/// A predictor at work on one shard of rows, with the memory for it.
public protocol PredictorStepper: AnyObject {
  /// Moves x from time `step.from` to `step.to`. Steps come in order.
  func step(_ x: Rows, _ step: Step) throws

  /// Says that x is no longer the state that the last step ended in, as a corrector has moved it. A method that makes
  /// its last step anew would undo what the corrector did, and one that extrapolates what earlier states gave would
  /// extrapolate the corrector's noise: what is remembered of earlier steps is to be forgotten. Default: nothing, for
  /// methods that remember nothing.
  func stateChanged()
}

extension PredictorStepper {
  public func stateChanged() {}
}
