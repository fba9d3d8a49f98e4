// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// How many values lie in each of several bins, per unit of the axis and divided by all values, outside ones included.
public struct Histogram: Sendable, Equatable {
  /// One more than bins, rising.
  public let edges: [Double]
  /// One for each bin.
  public let heights: [Double]

  /// - Parameters:
  ///   - values: may lie outside.
  ///   - limits: from the first edge to the last.
  ///   - bins: 1 or more, of one width.
  public init(_ values: some Collection<Double>, in limits: ClosedRange<Double>, bins: Int) {
    let width = (limits.upperBound - limits.lowerBound) / Double(bins)
    var counts = [Int](repeating: 0, count: bins)
    for value in values where value >= limits.lowerBound && value <= limits.upperBound {
      counts[min(bins - 1, Int((value - limits.lowerBound) / width))] += 1
    }
    edges = (0...bins).map { limits.lowerBound + Double($0) * width }
    heights = counts.map { Double($0) / (Double(max(1, values.count)) * width) }
  }

  /// How many bins suit values: widths of 2 (q₇₅ − q₂₅)/∛n, Freedman and Diaconis (1981); from 8 to 60.
  public static func bins(_ values: some Collection<Double>, in limits: ClosedRange<Double>) -> Int {
    let sorted = values.filter(limits.contains).sorted()
    guard sorted.count >= 4 else { return 8 }
    let range = sorted[sorted.count * 3 / 4] - sorted[sorted.count / 4]
    let width = 2 * range / cbrt(Double(sorted.count))
    guard width > 0 else { return 40 }
    return min(60, max(8, Int(min(1000, (limits.upperBound - limits.lowerBound) / width).rounded(.up))))
  }
}
