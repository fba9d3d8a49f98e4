// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Coordinates whose way back is x = shift + slope y, value by value: what is linear in the data is so in them.
public protocol AffineCoordinates: ElementwiseCoordinates {
  /// The numbers for rows of `dimension` values.
  func affine(dimension: Int) -> (slopes: [Double], shifts: [Double])
}

extension Standardise: AffineCoordinates {
  public func affine(dimension: Int) -> (slopes: [Double], shifts: [Double]) { (deviations, means) }
}

extension Dequantise: AffineCoordinates {
  public func affine(dimension: Int) -> (slopes: [Double], shifts: [Double]) {
    ([Double](repeating: 1, count: dimension), [Double](repeating: 0, count: dimension))
  }
}

extension Chain {
  /// The numbers of all maps together; nil where one is not affine.
  public func affine(dimension: Int) -> (slopes: [Double], shifts: [Double])? {
    var (slopes, shifts) = ([Double](repeating: 1, count: dimension), [Double](repeating: 0, count: dimension))
    for map in maps.reversed() {
      guard let numbers = (map as? any AffineCoordinates)?.affine(dimension: dimension) else { return nil }
      for j in 0..<dimension {
        slopes[j] *= numbers.slopes[j]
        shifts[j] = numbers.shifts[j] + numbers.slopes[j] * shifts[j]
      }
    }
    return (slopes, shifts)
  }
}
