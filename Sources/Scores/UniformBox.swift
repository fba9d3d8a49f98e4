// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The uniform law on a box: data whose score is known exactly under every kernel m x₀ + σ z (`BoxScore`).
public struct UniformBox: Sendable, Equatable {
  /// The sides, a value for each coordinate.
  public let low, high: [Double]

  /// How many values a point has.
  public var dimension: Int { low.count }

  /// - Throws: `InputError` for sides that are not finite, or of which one is not below the other.
  public init(low: [Double], high: [Double]) throws {
    guard low.count == high.count, !low.isEmpty else {
      throw InputError("\(low.count) values of low for \(high.count) of high; allowed: as many, at least one")
    }
    for j in low.indices {
      guard low[j].isFinite, high[j].isFinite, low[j] < high[j], (high[j] - low[j]).isFinite else {
        throw InputError("column \(j + 1) goes from \(low[j]) to \(high[j]); allowed: finite numbers, low below high")
      }
    }
    (self.low, self.high) = (low, high)
  }

  /// `count` independent draws; row i depends on nothing but the stream and i.
  public func draw(_ count: Int, from stream: NoiseStream) -> Batch {
    var batch = stream.uniforms(count: count, dimension: dimension)
    for i in 0..<count { for j in 0..<dimension { batch[i, j] = low[j] + (high[j] - low[j]) * batch[i, j] } }
    return batch
  }
}
