// SPDX-License-Identifier: GPL-3.0-or-later

/// An invertible map between data x and the coordinates y that a model sees, y = φ(x): standardised, logarithms, an
/// autoencoder's latents. Data goes through it before training and encoding, samples come back before pictures and
/// metrics, and where the determinant is known, log p(x) = log p(y) + ln |det ∂y/∂x|.
public protocol Coordinates: Sendable {
  /// How many coordinates data of `dimension` values have.
  func dimension(of dimension: Int) -> Int

  /// Writes y = φ(x) of every row.
  /// - Parameter stream: for a map that draws (dequantisation), keyed by row.
  /// - Throws: `InputError` with the row (from 1) for data that has no coordinates.
  func encode(_ x: Rows, into y: Rows, from stream: NoiseStream) throws

  /// Writes x = φ⁻¹(y) of every row.
  func decode(_ y: Rows, into x: Rows)

  /// Adds ln |det ∂y/∂x| at every row's y to `out`, which has `y.count` values; false where it is not known.
  func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool
}

/// Coordinates that change each value by itself, with known derivatives: a score of y gives one of x.
public protocol ElementwiseCoordinates: Coordinates {
  /// Writes the inverse's derivatives for each value: its slope e = dx/dy, k = d ln e/dy, and dk/dy.
  /// - Parameters:
  ///   - y: coordinates, rows × dimension.
  ///   - x: the data that they belong to, rows × dimension.
  ///   - e, k, curvature: rows × dimension.
  func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows)
}

extension ElementwiseCoordinates {
  public func dimension(of dimension: Int) -> Int { dimension }
}
