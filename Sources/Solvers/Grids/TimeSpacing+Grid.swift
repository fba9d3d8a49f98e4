// SPDX-License-Identifier: GPL-3.0-or-later
import Processes

extension TimeSpacing {
  /// The grid of this spacing.
  public var grid: any TimeGrid {
    switch self {
    case .uniform: UniformGrid()
    case .quadratic: QuadraticGrid()
    case .logSignalToNoise: LogSignalToNoiseGrid()
    case .karras: KarrasGrid()
    }
  }
}
