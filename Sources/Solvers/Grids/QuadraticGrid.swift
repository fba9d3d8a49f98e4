// SPDX-License-Identifier: GPL-3.0-or-later
import Processes

/// t_i = (√T + i/N (√ε − √T))²: steps that shrink towards ε (Song, Meng and Ermon 2021, section D.2), for every
/// process.
public struct QuadraticGrid: TimeGrid {
  /// The grid has no parameters.
  public init() {}

  public func times(
    from start: Double, to end: Double, steps: Int, kernel: (any PerturbationKernel)?
  ) throws -> [Double] {
    precondition(steps > 0)
    let (first, last) = (start.squareRoot(), end.squareRoot())
    return (0...steps).map { i in
      if i == 0 { return start }
      if i == steps { return end }
      let root = first + Double(i) / Double(steps) * (last - first)
      return root * root
    }
  }
}
