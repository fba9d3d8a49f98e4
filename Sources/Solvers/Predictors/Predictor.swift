// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// One step of the reverse-time SDE from t to an earlier s.
public protocol Predictor: Sendable {
  /// Throws where the process is not one the predictor is defined for.
  func makeStepper(in context: SolveContext) throws -> any PredictorStepper
}

public protocol PredictorStepper: AnyObject {
  /// Moves x from time t to time s < t; `index` counts steps from 0.
  func step(_ x: Rows, from t: Double, to s: Double, index: Int) throws
}
