// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import ScoreSDE

/// A coordinate map: y = arsinh(x/c), a logarithm for data of both signs whose size varies over many powers of ten.
///
/// ∂y/∂x = 1/√(x² + c²), x = c sinh y.
struct SignedLogarithm: ElementwiseCoordinates {
  /// c: below it, the map is close to x/c.
  let scale: Double

  func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    for i in 0..<x.size { y.values[i] = asinh(x.values[i] / scale) }
  }

  func decode(_ y: Rows, into x: Rows) {
    for i in 0..<y.size { x.values[i] = scale * sinh(y.values[i]) }
  }

  /// ln ∂y/∂x = −ln(c cosh y)
  func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool {
    for row in 0..<y.count {
      for j in 0..<y.dimension { out[row] -= log(scale * cosh(y[row, j])) }
    }
    return true
  }

  /// e = c cosh y, k = tanh y
  func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows) {
    for i in 0..<y.size {
      e.values[i] = scale * cosh(y.values[i])
      k.values[i] = tanh(y.values[i])
      curvature.values[i] = 1 - k.values[i] * k.values[i]
    }
  }
}

extension Kind<any CoordinatesRecipe> {
  static let signedLogarithm = Kind("signed-logarithm", "arsinh(x/c), a logarithm for data of both signs") {
    options, _ in
    FixedCoordinates(
      SignedLogarithm(scale: try options.number("scale", default: 1, in: .positive, "c, where it begins to bend")))
  }
}
