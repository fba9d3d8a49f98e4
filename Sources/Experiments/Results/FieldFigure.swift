// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Plots
import Processes
import Scores

/// Arrows of the score in the plane at a few times, over data with the noise of that time. All is in the coordinates of
/// the model, in which the process runs.
struct FieldFigure {
  /// Arrows along each axis.
  private static let nodes = 21
  /// How many noisy rows are drawn.
  private static let most = 500

  let score: any Score
  let process: PreparedProcess
  /// Held-out rows as the model sees them.
  let data: any DataRows
  /// What the columns are called.
  let names: [String]
  /// In the order of panels.
  let times: [Double]
  let seed: UInt64

  func figure() throws -> Figure {
    let panels = try times.enumerated().map { try panel($1, number: $0) as Axes? }
    let columns = min(4, panels.count)
    let rows = (panels.count + columns - 1) / columns
    let grid = (0..<rows).map { row in
      (0..<columns).map { column in
        let index = row * columns + column
        return index < panels.count ? panels[index] : nil
      }
    }
    return Figure(
      title: "score", panels: grid, width: 0.5 + 2.4 * Double(columns), height: 0.7 + 2.3 * Double(rows))
  }

  private func panel(_ t: Double, number: Int) throws -> Axes {
    let noisy = noisy(at: t, number: number)
    func column(_ j: Int) -> [Double] { (0..<noisy.count).map { noisy[$0, j] } }
    let limits = (0..<2).map {
      Scale.limits(column($0), margin: 0.1).map { Scale(.linear, $0) } ?? Scale(.linear, -1...1)
    }
    let steps = limits.map { ($0.high - $0.low) / Double(Self.nodes) }
    var places = Batch(count: Self.nodes * Self.nodes, dimension: 2)
    for i in 0..<places.count {
      places[i, 0] = limits[0].low + (Double(i % Self.nodes) + 0.5) * steps[0]
      places[i, 1] = limits[1].low + (Double(i / Self.nodes) + 0.5) * steps[1]
    }
    var scores = places
    try scores.forEachShard(of: score.shardRows, threads: 1) { x in
      try RowStorage.with(x.span, count: 1) { storage in
        try score.makeEvaluator(for: x.span).evaluate(x, at: .all(t), into: storage[0])
        x.copy(storage[0])
      }
    }
    // The longest of nine tenths of the arrows reaches the next one; longer ones are cut to one and a half.
    let lengths = (0..<scores.count).map { hypot(scores[$0, 0], scores[$0, 1]) }
    let usual = lengths.filter(\.isFinite).sorted()
    let longest = usual.isEmpty ? 1 : max(usual[usual.count * 9 / 10], .leastNormalMagnitude)
    let unit = min(steps[0], steps[1]) / longest
    let arrows = (0..<scores.count).map { i in
      let factor = unit * min(1, 1.5 * longest / max(lengths[i], .leastNormalMagnitude))
      return Mark.Point(scores[i, 0] * factor, scores[i, 1] * factor)
    }
    var axes = Axes(
      title: String(format: "t = %.4g, longest arrow %.3g", t, min(usual.last ?? 0, 1.5 * longest)),
      xLabel: names[0], yLabel: number % 4 == 0 ? names[1] : "")
    (axes.xLimits, axes.yLimits) = (limits[0].low...limits[0].high, limits[1].low...limits[1].high)
    if data.count > 0 {
      axes.series.append(
        Series(
          .points(x: column(0), y: column(1)), Style(Color.vermilion.opacity(0.35), size: 2),
          label: "data with the noise of time t"))
    }
    axes.series.append(
      Series(
        .arrows(from: (0..<places.count).map { Mark.Point(places[$0, 0], places[$0, 1]) }, by: arrows),
        Style(.black, width: 0.5), label: "score"))
    return axes
  }

  /// Data with the noise of a time; without data, draws of the prior.
  private func noisy(at t: Double, number: Int) -> Batch {
    let stream = NoiseStream(seed: seed, purpose: .prior)
    guard data.count > 0, let moments = process.scalarKernel?.moments(at: t) else {
      var draws = Batch(count: Self.most, dimension: 2)
      if data.count > 0 { return data.prefix(Self.most) }
      draws.withRows { process.prior.draw(into: $0, from: stream) }
      return draws
    }
    var rows = data.prefix(Self.most)
    let noise = stream.normals(count: rows.count, dimension: 2, step: number)
    let deviation = moments.variance.squareRoot()
    for i in rows.values.indices { rows.values[i] = moments.scale * rows.values[i] + deviation * noise.values[i] }
    return rows
  }
}
