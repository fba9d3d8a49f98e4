// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Plots

extension Trajectories {
  /// The ways of the rows that were followed: of one column over time, of more in the plane of the first two, with the
  /// held-out data behind.
  /// - Parameters:
  ///   - heldOut: rows of data, of which the first 1,000 are drawn.
  ///   - names: those of the columns.
  ///   - solver: for the title.
  func figure(heldOut: any DataRows, names: [String], solver: String) -> Figure {
    let data = heldOut.prefix(min(heldOut.count, 1000))
    func column(_ batch: Batch, _ j: Int) -> [Double] { (0..<batch.count).map { batch[$0, j] } }
    let ends = state(at: 1)
    let isPlane = dimension > 1
    let ways: [[Mark.Point]] = rows.map { _, moments in
      moments.map { isPlane ? Mark.Point($0.values[0], $0.values[1]) : Mark.Point($0.time, $0.values[0]) }
    }
    func points(_ at: KeyPath<[Mark.Point], Mark.Point?>, _ style: Style, _ label: String) -> Series {
      let places = ways.compactMap { $0[keyPath: at] }
      return Series(.points(x: places.map(\.x), y: places.map(\.y)), style, label: label)
    }
    var axes = Axes(xLabel: isPlane ? names[0] : "time", yLabel: isPlane ? names[1] : names[0])
    if isPlane && data.count > 0 {
      axes.series.append(
        Series(
          .points(x: column(data, 0), y: column(data, 1)), Style(Color.gray.opacity(0.4), marker: .plus, size: 2.4),
          label: "data"))
    }
    axes.series += [
      Series(.lines(ways), Style(Color.blue.opacity(0.7), width: 0.6), label: "trajectories"),
      points(\.first, Style(.vermilion, marker: .square, size: 3.6), "start"),
      points(\.last, Style(.black, size: 3.2), "end"),
    ]
    func limits(_ j: Int) -> ClosedRange<Double>? {
      let inner = column(data.count > 1 ? data : ends, j)
      let values = inner + rows.flatMap { $0.moments.map { $0.values[j] } }
      guard let near = Scale.limits(inner, margin: 0.1), let all = Scale.limits(values) else { return nil }
      // Where the ways begin far outside, at σ(T) of a variance-exploding process, the data would be a dot.
      let (middle, half) = ((near.lowerBound + near.upperBound) / 2, 4 * (near.upperBound - near.lowerBound))
      return max(all.lowerBound, middle - half)...min(all.upperBound, middle + half)
    }
    if isPlane {
      (axes.xLimits, axes.yLimits) = (limits(0), limits(1))
    } else {
      axes.yLimits = limits(0)
    }
    let of = dimension > 2 ? "; the first 2 of \(dimension) columns" : ""
    return Figure(
      title: "\(solver): \(rows.count) trajectories\(of)", panels: [[axes]], width: isPlane ? 4.2 : 4.8,
      height: isPlane ? 4.2 : 3.4)
  }
}
