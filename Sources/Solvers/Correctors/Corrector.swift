// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Steps that leave pₜ (nearly) unchanged while time stands still.
public protocol Corrector: Sendable {
  /// What process and score must offer.
  var requires: Requirements { get }

  /// The corrector with its memory, for one shard of rows.
  func makeStepper(in context: SolveContext) throws -> any CorrectorStepper
}

extension Corrector {
  public var requires: Requirements { [] }
}

/// A corrector at work on one shard of rows, with the memory for it.
public protocol CorrectorStepper: AnyObject {
  /// Corrects x at time `step.from`, before the predictor takes the step.
  func correct(_ x: Rows, _ step: Step) throws
}
