// SPDX-License-Identifier: GPL-3.0-or-later

/// A panel: series between a horizontal and a vertical axis.
public struct Axes: Sendable {
  /// Above the panel, in one line or more; may be empty.
  public var title: String
  /// Beneath the horizontal axis.
  public var xLabel: String
  /// Beside the vertical axis, running upwards.
  public var yLabel: String
  /// How values are spread along the horizontal axis.
  public var xKind = Scale.Kind.linear
  /// How values are spread along the vertical axis.
  public var yKind = Scale.Kind.linear
  /// nil: the range of what is drawn, and a little more.
  public var xLimits: ClosedRange<Double>?
  /// nil: likewise.
  public var yLimits: ClosedRange<Double>?
  /// Whether a unit is as long on both axes; limits are widened for it.
  public var hasEqualUnits = false
  /// Whether there are ticks along the horizontal axis; panels of a grid may share those of one.
  public var hasXTicks = true
  /// Whether there are ticks along the vertical axis.
  public var hasYTicks = true
  /// A picture without axes; its units are square.
  public var isBare = false
  /// What is drawn, the first beneath the others.
  public var series: [Series]

  /// Axes of any series.
  public init(title: String = "", xLabel: String = "", yLabel: String = "", series: [Series] = []) {
    (self.title, self.xLabel, self.yLabel, self.series) = (title, xLabel, yLabel, series)
  }

  /// A picture alone.
  public init(picture: Raster, title: String) {
    self.init(title: title)
    let (width, height) = (Double(picture.width), Double(picture.height))
    series = [Series(.image(picture, x: 0...width, y: 0...height), Style(.black))]
    (xLimits, yLimits) = (0...width, 0...height)
    (isBare, hasEqualUnits, hasXTicks, hasYTicks) = (true, true, false, false)
  }

  /// The lines of the title.
  var titleLines: [String] { title.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }

  /// The scales of both axes in a box.
  func scales(width: Double, height: Double) -> (x: Scale, y: Scale) {
    let x = Scale(
      xKind, xLimits ?? Scale.limits(series.lazy.flatMap(\.extent.x), xKind) ?? (xKind == .linear ? 0...1 : 1...10))
    // Histograms stand on the axis.
    let isOnAxis = series.contains { if case .histogram = $0.mark { true } else { false } }
    var range = yLimits ?? Scale.limits(series.lazy.flatMap(\.extent.y), yKind) ?? (yKind == .linear ? 0...1 : 1...10)
    if isOnAxis, yLimits == nil, yKind == .linear { range = min(0, max(range.lowerBound, 0))...range.upperBound }
    let y = Scale(yKind, range)
    guard hasEqualUnits, xKind == .linear, yKind == .linear else { return (x, y) }
    let unit = max((x.high - x.low) / width, (y.high - y.low) / height)
    func widened(_ scale: Scale, _ length: Double) -> Scale {
      let (middle, half) = (scale.low / 2 + scale.high / 2, unit * length / 2)
      return Scale(.linear, middle - half...middle + half)
    }
    return (widened(x, width), widened(y, height))
  }
}
