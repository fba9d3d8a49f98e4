// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The rows of another source in coordinates. What a map draws (dequantisation) is drawn anew for every row of every
/// training step. A row that has no coordinates becomes NaN, which the training reports.
public struct CoordinateSource: TrainingSource {
  private let base: any TrainingSource
  private let coordinates: any Coordinates
  public let dimension: Int

  /// The rows of `base` in these coordinates.
  public init(_ base: any TrainingSource, in coordinates: any Coordinates) {
    self.base = base
    self.coordinates = coordinates
    dimension = coordinates.dimension(of: base.dimension)
  }

  public var count: Int { base.count }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: dimension) { values in
      guard let y = values.baseAddress else { return }
      copy(index, variation: variation, into: y)
      for j in 0..<dimension { row[j] = Float(y[j]) }
    }
  }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: base.dimension) { values in
      guard let x = values.baseAddress else { return }
      base.copy(index, variation: variation, into: x)
      let stream = NoiseStream(seed: variation.seed, purpose: .trainingDequantisation)
      do {
        try coordinates.encode(
          Rows(memory: x, first: variation.row, count: 1, dimension: base.dimension),
          into: Rows(memory: row, first: variation.row, count: 1, dimension: dimension), from: stream,
          step: variation.step)
      } catch {
        row.update(repeating: .nan, count: dimension)
      }
    }
  }
}
