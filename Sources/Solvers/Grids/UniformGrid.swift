// SPDX-License-Identifier: GPL-3.0-or-later
import Processes

/// t_i = T + (ε − T) i/N: equal spacing, for every process.
public struct UniformGrid: TimeGrid {
  /// The grid has no parameters.
  public init() {}

  public func times(
    from start: Double, to end: Double, steps: Int, kernel: (any PerturbationKernel)? = nil
  ) -> [Double] {
    precondition(steps > 0)
    return (0...steps).map { i in
      i == steps ? end : start + (end - start) * Double(i) / Double(steps)
    }
  }
}
