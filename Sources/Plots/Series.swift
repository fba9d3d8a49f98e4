// SPDX-License-Identifier: GPL-3.0-or-later

/// What is drawn, in the units of the axes. Points that are not finite are left out, and break lines.
public enum Mark: Sendable {
  /// A marker at every point.
  case points(x: [Double], y: [Double])
  /// A line from point to point.
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
    /// The place along both axes.
    public var x, y: Double
    /// The point (x, y).
    public init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
  }
}

/// How something is drawn. Lengths are in points, 1/72 inch.
public struct Style: Sendable, Equatable {
  /// The shape of a point.
  public enum Marker: Sendable, Equatable, CaseIterable {
    /// ●
    case circle
    /// ■
    case square
    /// ▲
    case triangle
    /// ◆
    case diamond
    /// ×
    case cross
    /// +
    case plus
  }

  /// How a line is broken.
  public enum Dash: Sendable, Equatable, CaseIterable {
    /// Not at all.
    case solid
    /// Into dashes.
    case dashed
    /// Into dots.
    case dotted
    /// Into dashes and dots in turn.
    case dashDotted
  }

  /// The colour of lines, points and areas.
  public var color: Color
  /// The shape of points.
  public var marker: Marker
  /// How lines are broken.
  public var dash: Dash
  /// Of lines.
  public var width: Double
  /// The diameter of points.
  public var size: Double
  /// Whether the area under or within is filled, and how much of the colour it gets.
  public var fill: Double

  /// A style.
  /// - Parameters:
  ///   - color: of lines, points and areas.
  ///   - marker: the shape of points.
  ///   - dash: how lines are broken.
  ///   - width: of lines, in points.
  ///   - size: the diameter of points, in points.
  ///   - fill: how much of the colour an area gets, 0 to 1.
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

  /// Something to draw, with its name in the legend; nil: the legend does not have it.
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
