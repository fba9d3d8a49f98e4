// SPDX-License-Identifier: GPL-3.0-or-later

/// Where a solver's steps begin and end: N + 1 times from T down to ε.
public enum TimeGrid: String, Sendable, CaseIterable {
  /// Equal spacing.
  case uniform

  /// `steps` intervals from `start` to `end`.
  public func times(from start: Double, to end: Double, steps: Int) -> [Double] {
    precondition(steps > 0)
    switch self {
    case .uniform:
      return (0...steps).map { i in
        i == steps ? end : start + (end - start) * Double(i) / Double(steps)
      }
    }
  }
}
