// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// Operators on images that are rows.
extension SparseMatrix {
  /// The mean of every block of `factor` × `factor` pixels, channel by channel.
  /// - Precondition: height and width are multiples of the factor.
  public static func averaging(_ grid: PixelGrid, factor: Int) -> SparseMatrix {
    precondition(factor > 0 && grid.height % factor == 0 && grid.width % factor == 0, "whole blocks")
    let weight = 1 / Double(factor * factor)
    let small = PixelGrid(height: grid.height / factor, width: grid.width / factor, channels: grid.channels)
    return SparseMatrix(
      columns: grid.count,
      entries: small.places.map { y, x, channel in
        (0..<factor * factor).map { k in
          (column: grid.index(y * factor + k / factor, x * factor + k % factor, channel), value: weight)
        }
      })
  }

  /// Every pixel as a weighted mean of those around it: y_ij = Σ w_a w_b x_{i+a, j+b}, channel by channel.
  /// - Parameters:
  ///   - grid: the image.
  ///   - weights: w, of odd count, the middle one for the pixel itself; along both axes.
  ///   - edges: what lies beyond the borders.
  public static func blurring(_ grid: PixelGrid, weights: [Double], edges: Edges) -> SparseMatrix {
    precondition(weights.count % 2 == 1, "a middle weight")
    let reach = weights.count / 2
    let seen = grid.blurred(reach: reach, edges)
    let shift = edges == .valid ? reach : 0
    return SparseMatrix(
      columns: grid.count,
      entries: seen.places.map { y, x, channel in
        var entries: [(column: Int, value: Double)] = []
        for (a, down) in weights.enumerated() {
          guard let row = edges.place(y + shift + a - reach, of: grid.height) else { continue }
          for (b, along) in weights.enumerated() {
            guard let column = edges.place(x + shift + b - reach, of: grid.width) else { continue }
            entries.append((column: grid.index(row, column, channel), value: down * along))
          }
        }
        return entries
      })
  }

  /// The weights of a Gaussian blur, exp(−a²/2σ²) at whole numbers a, with the sum 1.
  /// - Parameters:
  ///   - deviation: σ, in pixels, above 0.
  ///   - size: how many there are; odd.
  public static func gaussianWeights(deviation: Double, size: Int) -> [Double] {
    let weights = (0..<size).map { i in
      let a = Double(i - size / 2) / deviation
      return exp(-0.5 * a * a)
    }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }

  /// One value a pixel, Σ w_c x_c over its channels.
  public static func mixingChannels(_ grid: PixelGrid, weights: [Double]) -> SparseMatrix {
    precondition(weights.count == grid.channels, "a weight for every channel")
    return SparseMatrix(
      columns: grid.count,
      entries: (0..<grid.height * grid.width).map { pixel in
        weights.enumerated().map { (column: pixel * grid.channels + $0, value: $1) }
      })
  }
}

extension PixelGrid {
  /// All values in the order of a row.
  fileprivate var places: [(y: Int, x: Int, channel: Int)] {
    (0..<count).map { ($0 / channels / width, $0 / channels % width, $0 % channels) }
  }

  /// The image that a blur gives.
  /// - Parameters:
  ///   - reach: how many pixels to each side the blur looks at.
  ///   - edges: what lies beyond the borders.
  public func blurred(reach: Int, _ edges: Edges) -> PixelGrid {
    edges == .valid ? PixelGrid(height: height - 2 * reach, width: width - 2 * reach, channels: channels) : self
  }
}
