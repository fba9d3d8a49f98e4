// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Plots
import Testing

@Suite("Densities and contours") struct DensityTests {
  /// Along an edge of length h the interpolation of x² + y² is wrong by up to h²/4, and the radius by half of that.
  @Test("the contour of x² + y² is a circle") func circle() throws {
    let grid = DensityGrid(x: -2...2, y: -2...2, columns: 81, rows: 61) { $0 * $0 + $1 * $1 }
    let lines = grid.contours(at: 1)
    let line = try #require(lines.first)
    #expect(lines.count == 1 && line.first == line.last)
    let h = 4.0 / 60
    for point in line { #expect(abs((point.x * point.x + point.y * point.y).squareRoot() - 1) <= h * h / 8 * 1.01) }
    let length = zip(line, line.dropFirst()).reduce(0) { sum, pair in
      sum + ((pair.1.x - pair.0.x) * (pair.1.x - pair.0.x) + (pair.1.y - pair.0.y) * (pair.1.y - pair.0.y)).squareRoot()
    }
    // A polygon whose corners are off by up to h²/8.
    #expect(abs(length - 2 * .pi) < 2 * .pi * h * h / 2)
  }

  @Test("contours that leave the grid end at its border, and saddles do not cross") func open() {
    let grid = DensityGrid(x: -1...1, y: -1...1, columns: 20, rows: 20) { $0 * $1 }
    let lines = grid.contours(at: 0.05)
    #expect(lines.count == 2)
    for line in lines {
      for end in [line[0], line[line.count - 1]] { #expect(max(abs(end.x), abs(end.y)) == 1) }
      for point in line { #expect(point.x * point.y > 0) }
    }
    #expect(grid.contours(at: 7).isEmpty)
  }

  /// exp(−r²/2) holds 1 − exp(−r²/2) within r, so that the region of a share p ends at 1 − p of the top.
  @Test("highest-density regions of a Gaussian have their levels", arguments: [0.5, 0.9]) func regions(share: Double) {
    let grid = DensityGrid(x: -6...6, y: -6...6, columns: 241, rows: 241) { exp(-($0 * $0 + $1 * $1) / 2) }
    #expect(abs(grid.level(holding: share) - (1 - share)) < 0.005)
  }

  @Test("a density of points has the sum 1 within its borders, and its place") func density() {
    let x = (0..<400).map { 0.3 + 0.1 * cos(Double($0)) }
    let y = (0..<400).map { -0.2 + 0.1 * sin(Double($0)) }
    let grid = DensityGrid(x, y, x: -1...1, y: -1...1, columns: 81, rows: 81)
    let cell = (2.0 / 80) * (2.0 / 80)
    #expect(abs(grid.values.reduce(0, +) * cell - 1) < 1e-9)
    var mean = (x: 0.0, y: 0.0)
    for row in 0..<81 {
      for column in 0..<81 {
        mean.x += grid[column, row] * cell * (-1 + Double(column) / 40)
        mean.y += grid[column, row] * cell * (-1 + Double(row) / 40)
      }
    }
    // Nodes are a 40th apart; rounding to them averages out over the ring.
    #expect(abs(mean.x - 0.3) < 0.005 && abs(mean.y + 0.2) < 0.005)
    // Half of the points outside: half the sum. Not a number: outside.
    let half = DensityGrid(x + x.map { $0 + 9 }, y + y, x: -1...1, y: -1...1, columns: 81, rows: 81)
    #expect(abs(half.values.reduce(0, +) * cell - 0.5) < 1e-9)
    _ = DensityGrid([.nan, .infinity], [0, 0], x: -1...1, y: -1...1, columns: 9, rows: 9)
  }

  @Test("a histogram's area is the share of values within its limits") func histogram() {
    let values = (0..<1000).map { Double($0) / 100 } + [.nan, 77]
    let histogram = Histogram(values, in: 0...5, bins: 10)
    let area = histogram.heights.reduce(0, +) * 0.5
    #expect(abs(area - 501 / 1002.0) < 1e-12)
    #expect(histogram.edges.first == 0 && histogram.edges.last == 5)
    #expect(Histogram.bins([1, 1, 1, 1, 1], in: 0...2) == 40 && Histogram.bins([Double](), in: 0...2) == 8)
  }
}
