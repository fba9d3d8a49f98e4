// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The values that data can have: `levels` of them, evenly from `low` to `high`.
public struct Quantisation: Sendable, Equatable {
  /// How many values there are; at least 2.
  public let levels: Int
  /// The lowest and the highest value.
  public let low, high: Double

  /// - Precondition: at least two levels, low < high.
  public init(levels: Int, low: Double = -1, high: Double = 1) {
    precondition(levels >= 2 && low < high)
    self.levels = levels
    self.low = low
    self.high = high
  }

  /// The distance between neighbouring levels.
  public var spacing: Double { (high - low) / Double(levels - 1) }

  /// Bits a dimension: −log p / (D ln 2) − log₂ spacing, for a log density in nats. Of points with uniform noise one
  /// spacing wide its mean is an upper bound of what a lossless code by the model takes (Theis et al. 2016, section
  /// 3.1).
  public func bitsPerDimension(logDensity: Double, dimension: Int) -> Double {
    -logDensity / (Double(dimension) * log(2)) - log2(spacing)
  }

  /// x + spacing (u − ½) with uniform u, keyed by (seed, row): data that fills the cells around its levels.
  public func dequantised(_ points: Batch, seed: UInt64) -> Batch {
    var noisy = NoiseStream(seed: seed, purpose: .dequantisation)
      .uniforms(count: points.count, dimension: points.dimension)
    for i in noisy.values.indices { noisy.values[i] = points.values[i] + spacing * (noisy.values[i] - 0.5) }
    return noisy
  }
}
