// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Plots
import Scores

/// Figures of samples that are points, beside the data: histograms of 1 column, panels of 2 columns on the same axes, a
/// pair plot of 3 to 8. Of more columns the first 8 are drawn, and the title says so.
package struct PointFigure {
  /// The most columns that are drawn.
  static let widest = 8
  /// How many rows of data are looked at: the memory that they take does not grow with the data.
  static let mostData = 100_000
  /// The most points that are drawn one by one on a panel, and on one of a pair plot. More become a density.
  static let mostPoints = (panel: 2_000, pair: 400)
  /// How many rows a density needs.
  static let fewestForDensity = 100

  private static let dataColor = Color.gray
  private static let sampleColor = Color.blue
  private static let contourColor = Color.vermilion
  /// The shares of the data that regions within contours hold.
  private static let shares = [(share: 0.5, dash: Style.Dash.solid), (share: 0.9, dash: Style.Dash.dashed)]

  let names: [String]
  /// How many columns the data have.
  private let width: Int
  private let dataCount: Int
  /// Column by column; without values where there are no data.
  private let data: [[Double]]
  private let limits: [ClosedRange<Double>]
  private let law: DataLaw?

  /// - Parameters:
  ///   - heldOut: the data to compare with; samples stand for them in the limits where there are none.
  ///   - columns: what the columns are called; nil: x0, x1, ….
  ///   - law: that of the data, where it is known.
  package init(heldOut: any DataRows, columns: [String]?, law: DataLaw?, samples: Batch) {
    width = samples.dimension
    let all = columns?.count == samples.dimension ? columns : nil
    names = Array((all ?? SampleFile.columns(samples.dimension)).prefix(Self.widest))
    dataCount = heldOut.count
    data = Self.columns(of: heldOut, count: names.count, most: Self.mostData)
    let source = heldOut.count > 1 ? data : Self.columns(of: samples, count: names.count, most: Self.mostData)
    limits = source.map(Self.limits)
    let hasDensity = law.map { $0.mixture.dimension == samples.dimension && $0.mixture.smallestDeviation ?? 0 > 0 }
    self.law = hasDensity == true ? law : nil
  }

  /// Columns of the first rows.
  private static func columns(of rows: any DataRows, count: Int, most: Int) -> [[Double]] {
    var columns = [[Double]](repeating: [], count: count)
    let most = min(most, rows.count)
    for j in 0..<count { columns[j].reserveCapacity(most) }
    for start in stride(from: 0, to: most, by: 4096) {
      let part = rows.rows(start..<min(most, start + 4096))
      for i in 0..<part.count { for j in 0..<count { columns[j].append(part[i, j]) } }
    }
    return columns
  }

  /// What all but a thousandth of the values span, and a sixth more on each side.
  private static func limits(_ values: [Double]) -> ClosedRange<Double> {
    let sorted = values.filter(\.isFinite).sorted()
    guard let low = sorted.first, let high = sorted.last else { return -1...1 }
    let cut = sorted.count / 1000
    let range = Plots.Scale(.linear, cut > 0 ? sorted[cut]...sorted[sorted.count - 1 - cut] : low...high)
    let margin = (range.high - range.low) / 6
    return range.low - margin...range.high + margin
  }

  // MARK: The figure

  /// - Throws: what the law's density throws.
  package func figure(_ samples: Batch, solver: String) throws -> Figure {
    let columns = Self.columns(of: samples, count: names.count, most: samples.count)
    let outside = (0..<samples.count).count { i in
      !names.indices.allSatisfy { limits[$0].contains(columns[$0][i]) }
    }
    var title = "\(solver): \(samples.count) samples"
    if outside > 0 { title += ", \(outside) outside of the axes" }
    if width > names.count { title += "; the first \(names.count) of \(width) columns" }
    switch names.count {
    case 1: return try histograms(columns, title)
    case 2: return try panels(columns, title)
    default: return pairs(columns, title)
    }
  }

  private func histograms(_ samples: [[Double]], _ title: String) throws -> Figure {
    var axes = Axes(xLabel: names[0], yLabel: "density")
    axes.series = bars(samples, 0)
    axes.xLimits = limits[0]
    if let law {
      let x = (0...400).map { limits[0].lowerBound + Double($0) / 400 * width(0) }
      axes.series.append(
        Series(
          .line(x: x, y: try law.densities(Batch(values: x, dimension: 1))), Style(Self.contourColor, dash: .dashed),
          label: "exact density of the data"))
    }
    return Figure(title: title, panels: [[axes]], width: 4.6, height: 3.2)
  }

  private func width(_ column: Int) -> Double { limits[column].upperBound - limits[column].lowerBound }

  private var dataLabel: String { "data (\(dataCount) held-out rows)" }

  /// Histograms of data and samples, with one set of bins.
  private func bars(_ samples: [[Double]], _ column: Int) -> [Series] {
    let reference = data[column].isEmpty ? samples[column] : data[column]
    let bins = Histogram.bins(reference, in: limits[column])
    var series: [Series] = []
    if dataCount > 0 {
      series.append(
        Series(
          .histogram(Histogram(data[column], in: limits[column], bins: bins)),
          Style(Self.dataColor, width: 0.6, fill: 0.35), label: dataLabel))
    }
    series.append(
      Series(
        .histogram(Histogram(samples[column], in: limits[column], bins: bins)), Style(Self.sampleColor, width: 1.1),
        label: "samples"))
    return series
  }

  // MARK: Two columns

  /// Whether both columns can have one unit.
  private var haveOneUnit: Bool { (1.0 / 3...3).contains(width(0) / width(1)) }

  private func panels(_ samples: [[Double]], _ title: String) throws -> Figure {
    let regions = try regions(0, 1)
    // One scale of colours for both.
    let top = grid(dataCount > Self.mostPoints.panel ? data : samples, 0, 1).top
    func axes(_ columns: [[Double]], _ title: String, _ color: Color, _ marker: Style.Marker) -> Axes {
      var axes = Axes(title: title, xLabel: names[0], yLabel: names[1])
      (axes.xLimits, axes.yLimits, axes.hasEqualUnits) = (limits[0], limits[1], haveOneUnit)
      if columns[0].count > Self.mostPoints.panel {
        let grid = grid(columns, 0, 1)
        axes.series = [Series(.image(Raster(grid, top: top), x: grid.x, y: grid.y), Style(.blue))]
      } else {
        axes.series = [
          Series(
            .points(x: columns[0], y: columns[1]),
            Style(color.opacity(0.55), marker: marker, size: columns[0].count > 600 ? 2 : 2.8))
        ]
      }
      axes.series += regions
      return axes
    }
    var panels: [Axes?] = [axes(samples, "samples", Self.sampleColor, .circle)]
    if dataCount > 0 {
      panels.insert(axes(data, dataLabel, Self.dataColor, .circle), at: 0)
      if regions.isEmpty {
        // Too few for a density: the data themselves beneath the samples.
        let points = Series(
          .points(x: data[0], y: data[1]), Style(Self.dataColor.opacity(0.55), marker: .plus, size: 3), label: "data")
        panels[1]?.series.insert(points, at: 0)
      }
    }
    return Figure(title: title, panels: [panels], width: panels.count == 1 ? 3.9 : 7, height: 3.6)
  }

  private func grid(_ columns: [[Double]], _ i: Int, _ j: Int, nodes: Int = 110) -> DensityGrid {
    DensityGrid(columns[i], columns[j], x: limits[i], y: limits[j], columns: nodes, rows: nodes)
  }

  /// Contours of the densest regions that hold a half and nine tenths of the data: of the exact density where it is
  /// known, else of a density of the held-out rows; none where these are few.
  private func regions(_ i: Int, _ j: Int) throws -> [Series] {
    let density: DensityGrid
    let name: String
    if let law, width == 2 {
      density = try DensityGrid(
        x: limits[i], y: limits[j], columns: 160, rows: 160,
        all: { points in
          try law.densities(Batch(values: points.flatMap { [$0.x, $0.y] }, dimension: 2))
        })
      name = "of the data, exact"
    } else if dataCount >= Self.fewestForDensity {
      density = grid(data, i, j)
      name = "of the data"
    } else {
      return []
    }
    return contours(density, Self.contourColor, name)
  }

  private func contours(_ density: DensityGrid, _ color: Color, _ name: String) -> [Series] {
    Self.shares.map { share, dash in
      Series(
        .lines(density.contours(at: density.level(holding: share))), Style(color, dash: dash, width: 0.9),
        label: "densest \(Int(share * 100)) % \(name)")
    }
  }

  // MARK: Three columns and more

  /// Histograms on the diagonal, points beneath it, contours above it.
  private func pairs(_ samples: [[Double]], _ title: String) -> Figure {
    let n = names.count
    func prefix(_ columns: [[Double]], _ i: Int) -> [Double] { Array(columns[i].prefix(Self.mostPoints.pair)) }
    func label(_ what: String, _ count: Int) -> String {
      count > Self.mostPoints.pair ? "\(what) (points: the first \(Self.mostPoints.pair))" : what
    }
    let hasContours = dataCount >= Self.fewestForDensity && samples[0].count >= Self.fewestForDensity
    let panels = (0..<n).map { row in
      (0..<n).map { column -> Axes? in
        if column > row && !hasContours { return nil }
        var axes = Axes(xLabel: row == n - 1 ? names[column] : "", yLabel: column == 0 ? names[row] : "")
        axes.xLimits = limits[column]
        (axes.hasXTicks, axes.hasYTicks) = (row == n - 1, column == 0 && row > 0)
        if row == column {
          axes.series = bars(samples, row).map { Series($0.mark, $0.style) }
          return axes
        }
        axes.yLimits = limits[row]
        if column < row {
          axes.series = [
            Series(
              .points(x: prefix(data, column), y: prefix(data, row)),
              Style(Self.dataColor.opacity(0.5), marker: .plus, size: 2.2), label: label("data", dataCount)),
            Series(
              .points(x: prefix(samples, column), y: prefix(samples, row)),
              Style(Self.sampleColor.opacity(0.5), marker: .circle, size: 1.8),
              label: label("samples", samples[0].count)),
          ]
          if dataCount == 0 { axes.series.removeFirst() }
        } else {
          axes.series =
            contours(grid(data, column, row, nodes: 60), Self.contourColor, "of the data")
            + contours(grid(samples, column, row, nodes: 60), Self.sampleColor, "of the samples")
        }
        return axes
      }
    }
    let size = min(7.5, 1.4 + 1.3 * Double(n))
    return Figure(title: title, panels: panels, width: size, height: size + 0.5)
  }
}
