// SPDX-License-Identifier: GPL-3.0-or-later

/// An invertible map between data x and the coordinates y that a model sees, y = φ(x): standardised, logarithms, an
/// autoencoder's latents. Data goes through it before training and encoding, samples come back before pictures and
/// metrics, and where the determinant is known, log p(x) = log p(y) + ln |det ∂y/∂x|.
public protocol Coordinates: Sendable {
  /// How many coordinates data of `dimension` values have.
  func dimension(of dimension: Int) -> Int

  /// Writes y = φ(x) of every row. Where the map keeps the dimension, the two may be the same rows.
  /// - Parameters:
  ///   - x: data, rows × dimension.
  ///   - y: their coordinates, rows × `dimension(of: dimension)`.
  ///   - stream: what a map that draws (dequantisation) draws from, keyed by row and step; nil: it draws nothing, as
  ///     for states of a process, which are no data.
  ///   - step: the step of the stream: rows that are drawn again and again get new numbers.
  /// - Throws: `InputError` with the row (from 1) for data that has no coordinates.
  func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws

  /// Writes x = φ⁻¹(y) of every row. Where the map keeps the dimension, the two may be the same rows.
  func decode(_ y: Rows, into x: Rows)

  /// Adds ln |det ∂y/∂x| at every row's y to `out`, which has `y.count` values; false where it is not known.
  func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool

  /// The map as one that changes each value by itself; nil where it is none.
  var elementwise: (any ElementwiseCoordinates)? { get }

  /// The values that the data can have, where the map spreads these into intervals; nil where it does not.
  var levels: Quantisation? { get }

  /// The numbers that were fitted to data, with which the map can be made again; empty where there are none.
  var fitted: [Double] { get }
}

extension Coordinates {
  public var elementwise: (any ElementwiseCoordinates)? { nil }
  public var levels: Quantisation? { nil }
  public var fitted: [Double] { [] }

  /// Writes y = φ(x) of every row, with the draws of step 0.
  public func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?) throws {
    try encode(x, into: y, from: stream, step: 0)
  }
}

/// Coordinates that change each value by itself, with known derivatives: a score of y gives one of x,
/// s_x = (s_y − k)/e.
public protocol ElementwiseCoordinates: Coordinates {
  /// Writes the inverse's derivatives for each value: its slope e = dx/dy, k = d ln e/dy, and dk/dy.
  /// - Parameters:
  ///   - y: coordinates, rows × dimension.
  ///   - x: the data that they belong to, rows × dimension.
  ///   - e: slopes, rows × dimension.
  ///   - k: slopes of their logarithms, rows × dimension.
  ///   - curvature: dk/dy, rows × dimension.
  func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows)
}

extension ElementwiseCoordinates {
  public func dimension(of dimension: Int) -> Int { dimension }
  public var elementwise: (any ElementwiseCoordinates)? { self }
}
