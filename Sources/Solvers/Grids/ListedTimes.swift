// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// Times as somebody chose them: N + 1 falling times, T first and ε last.
public struct ListedTimes: TimeGrid {
  /// The times, falling from T to ε.
  public let times: [Double]

  /// - Throws: `InputError` for fewer than two times, or times that do not fall.
  public init(_ times: [Double]) throws {
    guard times.count > 1 else { throw InputError("a list of \(times.count) times; allowed: 2 or more") }
    for (earlier, later) in zip(times, times.dropFirst()) where !(later < earlier) {
      throw InputError("times that do not fall: \(later) after \(earlier)")
    }
    self.times = times
  }

  public func times(
    from start: Double, to end: Double, steps: Int, kernel: (any PerturbationKernel)?
  ) throws -> [Double] {
    guard times.count == steps + 1 else {
      throw InputError("the grid lists \(times.count) times, which are \(times.count - 1) steps; steps is \(steps)")
    }
    guard times.first == start, times.last == end else {
      throw InputError(
        "the grid's times go from \(times[0]) to \(times[steps]); they must go from T = \(start) to ε = \(end)")
    }
    return times
  }
}
