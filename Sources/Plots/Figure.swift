// SPDX-License-Identifier: GPL-3.0-or-later

/// A figure: a title, a legend, and a grid of panels.
public struct Figure: Sendable {
  /// Above everything; may be empty.
  public var title: String
  /// Row by row, all of one length; nil leaves a place empty.
  public var panels: [[Axes?]]
  /// In inches.
  public var width: Double
  /// In inches.
  public var height: Double
  /// Whether the series that have labels are named above the panels.
  public var hasLegend = true

  /// - Parameters:
  ///   - title: may be empty.
  ///   - panels: row by row, all of one length.
  ///   - width: in inches, at most 40.
  ///   - height: in inches, at most 40.
  public init(title: String = "", panels: [[Axes?]], width: Double, height: Double) {
    precondition(Set(panels.map(\.count)).count == 1 && panels.first?.isEmpty == false, "a grid of panels")
    precondition(width > 0 && width <= 40 && height > 0 && height <= 40, "up to 40 inches")
    (self.title, self.panels, self.width, self.height) = (title, panels, width, height)
  }

  /// The series of the legend, in the order of panels, each label once.
  package var legend: [Series] {
    guard hasLegend else { return [] }
    var seen: Set<String> = []
    return panels.joined().compactMap { $0 }.flatMap(\.series).filter { series in
      series.label.map { seen.insert($0).inserted } ?? false
    }
  }
}

/// A text of a figure, and the box that it covers: points from the upper left corner.
public struct PlacedText: Sendable, Equatable {
  /// What is written.
  public let text: String
  /// In points from the left edge.
  public let left: Double
  /// In points from the upper edge.
  public let top: Double
  /// In points from the left edge.
  public let right: Double
  /// In points from the upper edge.
  public let bottom: Double

  /// Whether the boxes of two texts share a place.
  public func overlaps(_ other: PlacedText) -> Bool {
    left < other.right && other.left < right && top < other.bottom && other.top < bottom
  }
}
