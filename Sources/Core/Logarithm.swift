// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// y = ln x, value by value, for positive data: ln |det ∂y/∂x| = −Σ y.
public struct Logarithm: ElementwiseCoordinates {
  /// The logarithm has no parameters.
  public init() {}

  public func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    for i in 0..<x.size {
      guard x.values[i] > 0 else {
        throw InputError(
          "row \(x.first + i / x.dimension + 1) holds \(x.values[i]); its logarithm needs values above 0")
      }
      y.values[i] = log(x.values[i])
    }
  }

  public func decode(_ y: Rows, into x: Rows) {
    for i in 0..<y.size { x.values[i] = exp(y.values[i]) }
  }

  public func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool {
    for row in 0..<y.count {
      for j in 0..<y.dimension { out[row] -= y[row, j] }
    }
    return true
  }

  /// e = x, k = 1
  public func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows) {
    e.copy(x)
    k.fill(1)
    curvature.fill(0)
  }
}
