// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Values at the nodes of a rectangular grid, the first node at (x.lowerBound, y.lowerBound).
public struct DensityGrid: Sendable, Equatable {
  /// From the first column of nodes to the last.
  public let x: ClosedRange<Double>
  /// From the first row of nodes to the last.
  public let y: ClosedRange<Double>
  /// How many nodes there are along x.
  public let columns: Int
  /// How many nodes there are along y.
  public let rows: Int
  /// Row by row from the bottom.
  public private(set) var values: [Double]

  /// A function on a grid.
  public init(
    x: ClosedRange<Double>, y: ClosedRange<Double>, columns: Int, rows: Int, _ value: (Double, Double) -> Double
  ) {
    precondition(columns >= 2 && rows >= 2, "a grid of nodes")
    (self.x, self.y, self.columns, self.rows) = (x, y, columns, rows)
    values = []
    values.reserveCapacity(columns * rows)
    for row in 0..<rows {
      for column in 0..<columns { values.append(value(Self.node(column, x, columns), Self.node(row, y, rows))) }
    }
  }

  /// A function that takes all nodes at once, row by row from the bottom.
  public init(
    x: ClosedRange<Double>, y: ClosedRange<Double>, columns: Int, rows: Int,
    all values: ([Mark.Point]) throws -> [Double]
  ) rethrows {
    var nodes: [Mark.Point] = []
    self.init(x: x, y: y, columns: columns, rows: rows) {
      nodes.append(Mark.Point($0, $1))
      return 0
    }
    self.values = try values(nodes)
    precondition(self.values.count == nodes.count, "a value for every node")
  }

  /// The density of points: how many lie nearest to each node, smoothed by a Gaussian, per unit of area and divided by
  /// all points.
  ///
  /// The Gaussian's deviation is half of Scott's σ n^{−1/6} along each axis, and less where the data lie closer
  /// together than a Gaussian of their σ, as on curves or in narrow modes: 0.55 times the radius within which a typical
  /// point has √n others, by a first density. One node at least.
  /// - Parameters:
  ///   - px: the points' first coordinates.
  ///   - py: their second coordinates, as many; points outside are passed over.
  ///   - x: the ends of the first axis.
  ///   - y: the ends of the second axis.
  ///   - columns: how many nodes there are along x.
  ///   - rows: how many nodes there are along y.
  public init(
    _ px: [Double], _ py: [Double], x: ClosedRange<Double>, y: ClosedRange<Double>, columns: Int, rows: Int
  ) {
    self.init(x: x, y: y, columns: columns, rows: rows) { _, _ in 0 }
    let (dx, dy) = (width(x, columns), width(y, rows))
    var inside = (x: [Double](), y: [Double]())
    for (a, b) in zip(px, py) {
      let (i, j) = (((a - x.lowerBound) / dx).rounded(), ((b - y.lowerBound) / dy).rounded())
      guard i >= 0, j >= 0, i < Double(columns), j < Double(rows) else { continue }
      values[Int(j) * columns + Int(i)] += 1
      inside.x.append(a)
      inside.y.append(b)
    }
    let n = Double(max(1, inside.x.count))
    let deviations = (Self.deviation(inside.x), Self.deviation(inside.y))
    func smoothed(_ share: Double) -> DensityGrid {
      var copy = self
      copy.smooth(
        Self.kernel(max(1, share * deviations.0 / dx)), Self.kernel(max(1, share * deviations.1 / dy)))
      return copy
    }
    let scott = pow(n, -1.0 / 6)
    let first = smoothed(0.3 * scott)
    // Points in an ellipse of radius r σ: π r² σ_x σ_y f n.
    let typical = zip(inside.x, inside.y).map { a, b in
      first[Int(((a - x.lowerBound) / dx).rounded()), Int(((b - y.lowerBound) / dy).rounded())] / (dx * dy)
    }.sorted()
    let area = typical.isEmpty ? 0 : Double.pi * typical[typical.count / 2] * deviations.0 * deviations.1
    self = smoothed(min(0.5 * scott, area > 0 ? 0.55 * (n.squareRoot() / area).squareRoot() : .infinity))
    let scale = 1 / (Double(max(1, px.count)) * dx * dy)
    for index in values.indices { values[index] *= scale }
  }

  /// The value of a node.
  public subscript(column: Int, row: Int) -> Double { values[row * columns + column] }

  /// The largest value.
  public var top: Double { values.max() ?? 0 }

  func node(_ column: Double, _ row: Double) -> Mark.Point {
    Mark.Point(x.lowerBound + column * width(x, columns), y.lowerBound + row * width(y, rows))
  }

  private static func node(_ index: Int, _ range: ClosedRange<Double>, _ count: Int) -> Double {
    range.lowerBound + Double(index) * (range.upperBound - range.lowerBound) / Double(count - 1)
  }

  private func width(_ range: ClosedRange<Double>, _ count: Int) -> Double {
    (range.upperBound - range.lowerBound) / Double(count - 1)
  }

  private static func deviation(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(max(1, values.count))
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, values.count))).squareRoot()
  }

  private static func kernel(_ deviation: Double) -> [Double] {
    let reach = min(200, Int((3 * deviation).rounded(.up)))
    let weights = (-reach...reach).map { exp(-0.5 * Double($0 * $0) / (deviation * deviation)) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }

  private mutating func smooth(_ along: [Double], _ across: [Double]) {
    func pass(_ source: [Double], _ kernel: [Double], _ count: Int, _ step: Int, _ lines: Int, _ lineStep: Int)
      -> [Double]
    {
      var result = source
      let reach = kernel.count / 2
      for line in 0..<lines {
        for i in 0..<count {
          var sum = 0.0
          for j in max(0, i - reach)...min(count - 1, i + reach) {
            sum += source[line * lineStep + j * step] * kernel[j - i + reach]
          }
          result[line * lineStep + i * step] = sum
        }
      }
      return result
    }
    values = pass(values, along, columns, 1, rows, columns)
    values = pass(values, across, rows, columns, columns, 1)
  }

  /// The level above which the densest nodes hold a share of the grid's sum: the border of a highest-density region.
  public func level(holding share: Double) -> Double {
    let sorted = values.sorted(by: >)
    let all = sorted.reduce(0, +)
    var sum = 0.0
    for value in sorted {
      sum += value
      if sum >= share * all { return value }
    }
    return 0
  }
}
