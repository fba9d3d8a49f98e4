// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Steps that leave pₜ (nearly) unchanged while time stands still.
public protocol Corrector: Sendable {
  func makeStepper(in context: SolveContext) throws -> any CorrectorStepper
}

public protocol CorrectorStepper: AnyObject {
  /// Corrects x at time t, before the predictor goes on to s < t; `index` counts the sampler's steps from 0.
  func correct(_ x: Rows, at t: Double, before s: Double, index: Int) throws
}
