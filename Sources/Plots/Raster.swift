// SPDX-License-Identifier: GPL-3.0-or-later

/// A picture of pixels: red, green and blue bytes, row by row from the top.
public struct Raster: Sendable, Equatable {
  /// In pixels.
  public let width: Int
  /// In pixels.
  public let height: Int
  /// Three bytes a pixel.
  public let pixels: [UInt8]

  /// - Precondition: three bytes for every pixel.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == 3 * width * height, "three bytes a pixel")
    (self.width, self.height, self.pixels) = (width, height, pixels)
  }

  /// A grid's values as colours, dark where large.
  /// - Parameters:
  ///   - grid: a pixel for each of its nodes.
  ///   - top: the value that is darkest.
  public init(_ grid: DensityGrid, top: Double) {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * grid.columns * grid.rows)
    for row in (0..<grid.rows).reversed() {
      for column in 0..<grid.columns {
        let color = Color.density(top > 0 ? grid[column, row] / top : 0)
        pixels += [color.red, color.green, color.blue].map { UInt8(($0 * 255).rounded()) }
      }
    }
    self.init(width: grid.columns, height: grid.rows, pixels: pixels)
  }
}
