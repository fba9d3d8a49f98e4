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
    func limits(_ j: Int) -> ClosedRange<Double>? { self.limits(j, like: data.count > 1 ? data : ends) }
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
  /// What a column's ways span; no more than 4 spans of the data about its middle, as where the ways begin far outside,
  /// at σ(T) of a variance-exploding process, the data would be a dot.
  private func limits(_ j: Int, like data: Batch) -> ClosedRange<Double>? {
    let inner = column(data, j)
    let values = inner + rows.flatMap { $0.moments.map { $0.values[j] } }
    guard let near = Scale.limits(inner, margin: 0.1), let all = Scale.limits(values) else { return nil }
    let (middle, half) = ((near.lowerBound + near.upperBound) / 2, 4 * (near.upperBound - near.lowerBound))
    return max(all.lowerBound, middle - half)...min(all.upperBound, middle + half)
  }

  private func column(_ batch: Batch, _ j: Int) -> [Double] { (0..<batch.count).map { batch[$0, j] } }

  /// All rows at some moments, beside the data: panels on the same axes, of one column histograms, of more the plane of
  /// the first two.
  /// - Parameters:
  ///   - shares: of the way, 0 the start and 1 the end.
  ///   - data: rows to compare with, of which the first 1,000 are drawn.
  ///   - names: those of the columns.
  ///   - solver: for the title.
  func moments(_ shares: [Double], data: Batch, names: [String], solver: String) -> Figure {
    let data = data.prefix(min(data.count, 1000))
    let isPlane = dimension > 1
    let (x, y) = (limits(0, like: data), isPlane ? limits(1, like: data) : nil)
    let across = min(4, shares.count)
    let panels = shares.enumerated().map { index, share -> Axes in
      let batch = state(at: share)
      let outside = (0..<batch.count).count { i in
        !(x?.contains(batch[i, 0]) ?? true) || !(y?.contains(batch[i, 1]) ?? true)
      }
      let time = rows.first.map { $0.moments[Int((share * Double($0.moments.count - 1)).rounded())].time } ?? 0
      var axes = Axes(
        title: "t = \(ConciseNumber.text(time))" + (outside > 0 ? ", \(outside) outside" : ""), xLabel: names[0],
        yLabel: isPlane ? names[1] : "density")
      func add(_ rows: Batch, _ style: Style, _ label: String) {
        if isPlane {
          axes.series.append(Series(.points(x: column(rows, 0), y: column(rows, 1)), style, label: label))
        } else if let x, rows.count > 0 {
          axes.series.append(Series(.histogram(Histogram(column(rows, 0), in: x, bins: 30)), style, label: label))
        }
      }
      add(
        data, isPlane ? Style(Color.gray.opacity(0.4), marker: .plus, size: 2.4) : Style(.gray, width: 0.5, fill: 0.4),
        "data")
      add(batch, isPlane ? Style(.blue, size: 1.8) : Style(.blue, width: 1), "samples")
      (axes.xLimits, axes.yLimits) = (x, y)
      axes.hasYTicks = !isPlane || index % across == 0
      axes.hasXTicks = index + across >= shares.count
      if index % across > 0 { axes.yLabel = "" }
      if !axes.hasXTicks { axes.xLabel = "" }
      return axes
    }
    var grid = stride(from: 0, to: panels.count, by: across).map { start -> [Axes?] in
      Array(panels[start..<min(start + across, panels.count)])
    }
    let missing = across - (grid.last?.count ?? across)
    if missing > 0 { grid[grid.count - 1] += [Axes?](repeating: nil, count: missing) }
    let of = dimension > 2 ? "; the first 2 of \(dimension) columns" : ""
    return Figure(
      title: "\(solver): \(rows.count) rows on their way\(of)", panels: grid, width: 2.2 * Double(across) + 0.4,
      height: 2.3 * Double(grid.count) + 0.7)
  }
}
