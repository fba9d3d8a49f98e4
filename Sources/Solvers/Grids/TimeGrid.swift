// SPDX-License-Identifier: GPL-3.0-or-later
import Processes

/// Where the steps of a solver begin and end: N + 1 falling times from T to ε.
public protocol TimeGrid: Sendable {
  /// `steps` intervals from `start` down to `end`; both ends are exact.
  /// - Parameters:
  ///   - start: T
  ///   - end: ε < T
  ///   - steps: N, at least 1.
  ///   - kernel: how the process's noise grows, where that is known.
  /// - Throws: `InputError` where the grid is not defined for the process.
  func times(from start: Double, to end: Double, steps: Int, kernel: (any PerturbationKernel)?) throws -> [Double]
}
