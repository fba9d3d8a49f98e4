// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Glibc
import Plots

/// Points that were seen in part: samples of an observation over the data without it, what the observation says, and
/// the truth where it is known.
package struct PosteriorFigure {
  /// How many observations have a panel, and how many columns of one are drawn where there are more than two.
  static let (mostObservations, mostColumns) = (4, 4)
  /// How many rows of data are drawn.
  private static let mostPrior = 1000

  let observed: Observed
  let model: any ObservationModel
  /// Rows of the data, without the observation.
  let prior: any DataRows
  let columns: [String]?

  package init(observed: Observed, model: any ObservationModel, prior: any DataRows, columns: [String]? = nil) {
    (self.observed, self.model, self.prior, self.columns) = (observed, model, prior, columns)
  }

  private var count: Int { observed.values.count }

  package func figure(_ samples: Batch, solver: String) throws -> Figure {
    let d = samples.dimension
    let names = columns.flatMap { $0.count == d ? $0 : nil } ?? SampleFile.columns(d)
    let data = prior.prefix(Self.mostPrior)
    if d > 2 { return pairs(samples, data, names, solver) }
    let shown = min(count, Self.mostObservations)
    let title = "\(solver): " + (shown < count ? "\(shown) of \(count) observations" : "given what was seen")
    let panels = (0..<shown).map { k -> Axes? in
      let own = samples.rows(of: k, among: count)
      var axes = d == 1 ? line(own, data, k, names[0]) : plane(own, data, k, names)
      axes.title = "y = " + text(k)
      return axes
    }
    return Figure(title: title, panels: [panels], width: 0.8 + 2.9 * Double(shown), height: 3.7)
  }

  /// The first values of an observation.
  private func text(_ k: Int) -> String {
    let values = observed.values.row(k)
    return values.prefix(3).map { ConciseNumber.text($0) }.joined(separator: ", ") + (values.count > 3 ? ", …" : "")
  }

  private func column(_ rows: Batch, _ j: Int) -> [Double] { (0..<rows.count).map { rows[$0, j] } }

  /// What a column of the data and the truth span, a little wider; of samples, where there are no data.
  private func limits(_ data: Batch, _ own: Batch, _ k: Int, _ j: Int) -> ClosedRange<Double> {
    let values = column(data.count > 1 ? data : own, j) + (truth(k).map { [$0[j]] } ?? [])
    guard let range = Plots.Scale.limits(values, margin: 0.08) else { return -1...1 }
    let scale = Plots.Scale(.linear, range)
    return scale.low...scale.high
  }

  // MARK: One column

  private func line(_ own: Batch, _ data: Batch, _ k: Int, _ name: String) -> Axes {
    let (x, before) = (column(own, 0), column(data, 0))
    let limits = limits(data, own, k, 0)
    let bins = Histogram.bins(before.isEmpty ? x : before, in: limits)
    var axes = Axes(xLabel: name, yLabel: "density")
    axes.xLimits = limits
    let histogram = Histogram(x, in: limits, bins: bins)
    if !before.isEmpty {
      axes.series.append(
        Series(
          .histogram(Histogram(before, in: limits, bins: bins)), Style(.gray, width: 0.6, fill: 0.35), label: "data"))
    }
    axes.series.append(Series(.histogram(histogram), Style(.blue, width: 1.1), label: "samples"))
    let top = histogram.heights.max() ?? 1
    let nodes = (0...200).map { limits.lowerBound + Double($0) / 200 * (limits.upperBound - limits.lowerBound) }
    if let likelihood = likelihood(Batch(values: nodes, dimension: 1), k) {
      axes.series.append(
        Series(
          .line(x: nodes, y: likelihood.map { $0 * top }), Style(.vermilion, dash: .dashed),
          label: "likelihood, scaled"))
    }
    if let truth = truth(k) {
      axes.series.append(
        Series(.line(x: [truth[0], truth[0]], y: [0, top]), Style(.black, dash: .dotted), label: "truth"))
    }
    return axes
  }

  // MARK: Two columns

  private func plane(_ own: Batch, _ data: Batch, _ k: Int, _ names: [String]) -> Axes {
    let ranges = (0..<2).map { limits(data, own, k, $0) }
    var axes = Axes(xLabel: names[0], yLabel: names[1], series: points(own, data, k, 0, 1))
    (axes.xLimits, axes.yLimits) = (ranges[0], ranges[1])
    let nodes = 120
    var isKnown = true
    let grid = DensityGrid(
      x: ranges[0], y: ranges[1], columns: nodes, rows: nodes,
      all: { (places: [Mark.Point]) -> [Double] in
        let likelihood = likelihood(Batch(values: places.flatMap { [$0.x, $0.y] }, dimension: 2), k)
        isKnown = likelihood != nil
        return likelihood ?? [Double](repeating: 0, count: places.count)
      })
    guard isKnown else { return axes }
    for (deviations, dash) in [(1.0, Style.Dash.solid), (2.0, .dashed)] {
      axes.series.append(
        Series(
          .lines(grid.contours(at: exp(-0.5 * deviations * deviations))), Style(.vermilion, dash: dash, width: 0.9),
          label: "likelihood, \(Int(deviations)) deviation\(deviations > 1 ? "s" : "") from its top"))
    }
    return axes
  }

  /// p(y | x) over its largest value at these points; nil where it is 0 at all of them, or not a number.
  private func likelihood(_ points: Batch, _ k: Int) -> [Double]? {
    var (points, logs) = (points, [Double](repeating: 0, count: points.count))
    var seen = Batch(count: points.count, dimension: observed.values.dimension)
    for row in 0..<seen.count { for (j, value) in observed.values.row(k).enumerated() { seen[row, j] = value } }
    logs.withUnsafeMutableBufferPointer { logs in
      guard let out = logs.baseAddress else { return }
      points.withRows { x in
        seen.withRows { y in model.makeEvaluator(for: x.span).logLikelihood(x, of: y, into: out) }
      }
    }
    guard let top = logs.filter(\.isFinite).max(), !model.isExact else { return nil }
    return logs.map { $0.isFinite ? exp($0 - top) : 0 }
  }

  // MARK: More columns

  private func pairs(_ samples: Batch, _ data: Batch, _ names: [String], _ solver: String) -> Figure {
    let n = min(samples.dimension, Self.mostColumns)
    let own = samples.rows(of: 0, among: count)
    let panels = (1..<n).map { row in
      (0..<n - 1).map { column -> Axes? in
        guard column < row else { return nil }
        var axes = Axes(
          xLabel: row == n - 1 ? names[column] : "", yLabel: column == 0 ? names[row] : "",
          series: points(own, data, 0, column, row))
        (axes.xLimits, axes.yLimits) = (limits(data, own, 0, column), limits(data, own, 0, row))
        (axes.hasXTicks, axes.hasYTicks) = (row == n - 1, column == 0)
        return axes
      }
    }
    var title = "\(solver): given what was seen"
    if count > 1 { title += ", the first of \(count) observations" }
    if samples.dimension > n { title += "; the first \(n) of \(samples.dimension) columns" }
    let size = 1.4 + 1.7 * Double(n - 1)
    return Figure(title: title, panels: panels, width: size, height: size + 0.5)
  }

  private func truth(_ k: Int) -> [Double]? { observed.truth.map { Array($0.row(k)) } }

  /// Data, samples and the truth along two columns.
  private func points(_ own: Batch, _ data: Batch, _ k: Int, _ i: Int, _ j: Int) -> [Series] {
    var series: [Series] = []
    if data.count > 0 {
      series.append(
        Series(
          .points(x: column(data, i), y: column(data, j)), Style(Color.gray.opacity(0.45), marker: .plus, size: 2.4),
          label: "data"))
    }
    let shown = own.prefix(PointFigure.mostPoints.panel)
    series.append(
      Series(
        .points(x: column(shown, i), y: column(shown, j)),
        Style(Color.blue.opacity(0.55), marker: .circle, size: shown.count > 600 ? 2 : 2.8), label: "samples"))
    if let truth = truth(k) {
      series.append(
        Series(.points(x: [truth[i]], y: [truth[j]]), Style(.black, marker: .cross, size: 7), label: "truth"))
    }
    return series
  }
}
