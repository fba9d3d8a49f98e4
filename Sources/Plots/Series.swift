// SPDX-License-Identifier: GPL-3.0-or-later

/// What is drawn, in the units of the axes. Points that are not finite are left out, and break lines.
public enum Mark: Sendable {
  /// A marker at each point.
  case points(x: [Double], y: [Double])
  /// A line through points.
  case line(x: [Double], y: [Double])
  /// Several lines, each of its own points: contours, trajectories.
  case lines([[Point]])
  /// What lies between two lines, filled.
  case band(x: [Double], low: [Double], high: [Double])
  /// A vertical bar with ends at every x.
  case errorBars(x: [Double], low: [Double], high: [Double])
  /// A height for each of `edges.count` − 1 bins, from 0 on.
  case histogram(Histogram)
  /// An arrow from each point.
  case arrows(from: [Point], by: [Point])
  /// A picture that fills a rectangle, its first row at the top.
  case image(Raster, x: ClosedRange<Double>, y: ClosedRange<Double>)

  /// A place, or a way.
  public struct Point: Sendable, Equatable {
    /// Along the horizontal axis.
    public var x: Double
    /// Along the vertical axis.
    public var y: Double
    /// A point of two numbers.
    public init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
  }
}

/// How something is drawn. Lengths are in points, 1/72 inch.
public struct Style: Sendable, Equatable {
  /// The shape of points.
  public enum Marker: Sendable, Equatable, CaseIterable {
    /// The shapes.
    case circle, square, triangle, diamond, cross, plus
  }

  /// How a line is broken.
  public enum Dash: Sendable, Equatable, CaseIterable {
    /// The patterns.
    case solid, dashed, dotted, dashDotted
  }

  /// Of all that the series has.
  public var color: Color
  /// Of points.
  public var marker: Marker
  /// Of lines.
  public var dash: Dash
  /// Of lines.
  public var width: Double
  /// The diameter of points.
  public var size: Double
  /// Whether the area under or within is filled, and how much of the colour it gets.
  public var fill: Double

  /// - Parameters:
  ///   - color: of all that the series has.
  ///   - marker: of points.
  ///   - dash: of lines.
  ///   - width: of lines.
  ///   - size: of points.
  ///   - fill: how much of the colour areas get, from 0 to 1.
  public init(
    _ color: Color, marker: Marker = .circle, dash: Dash = .solid, width: Double = 1, size: Double = 4, fill: Double = 0
  ) {
    (self.color, self.marker, self.dash) = (color, marker, dash)
    (self.width, self.size, self.fill) = (width, size, fill)
  }

  /// The style of the n-th of several series: colour, marker and dash differ.
  public static func number(_ n: Int) -> Style {
    Style(
      Color.palette[n % Color.palette.count], marker: Marker.allCases[n % Marker.allCases.count],
      dash: Dash.allCases[n % Dash.allCases.count])
  }
}

/// One thing on axes, with its style and its name in the legend.
public struct Series: Sendable {
  /// What is drawn.
  public var mark: Mark
  /// How it is drawn.
  public var style: Style
  /// nil: the legend does not have it.
  public var label: String?

  /// - Parameters:
  ///   - mark: what is drawn.
  ///   - style: how.
  ///   - label: what the legend calls it; nil: nothing.
  public init(_ mark: Mark, _ style: Style, label: String? = nil) {
    (self.mark, self.style, self.label) = (mark, style, label)
  }

  /// The values along both axes, for limits.
  var extent: (x: [Double], y: [Double]) {
    switch mark {
    case .points(let x, let y), .line(let x, let y): (x, y)
    case .lines(let lines): (lines.flatMap { $0.map(\.x) }, lines.flatMap { $0.map(\.y) })
    case .band(let x, let low, let high), .errorBars(let x, let low, let high): (x, low + high)
    case .histogram(let histogram): (histogram.edges, [0] + histogram.heights)
    case .arrows(let from, let by):
      (
        from.map(\.x) + zip(from, by).map { $0.x + $1.x }, from.map(\.y) + zip(from, by).map { $0.y + $1.y }
      )
    case .image(_, let x, let y): ([x.lowerBound, x.upperBound], [y.lowerBound, y.upperBound])
    }
  }
}
