// SPDX-License-Identifier: GPL-3.0-or-later

/// A colour of red, green, blue and opacity, each from 0 to 1 (sRGB).
public struct Color: Sendable, Equatable {
  /// From 0 to 1.
  public var red: Double
  /// From 0 to 1.
  public var green: Double
  /// From 0 to 1.
  public var blue: Double
  /// From 0, not to be seen, to 1.
  public var opacity: Double

  /// A colour of its parts, each from 0 to 1.
  public init(red: Double, green: Double, blue: Double, opacity: Double = 1) {
    (self.red, self.green, self.blue, self.opacity) = (red, green, blue, opacity)
  }

  /// As `0x0072B2`.
  public init(_ hex: UInt32) {
    func part(_ shift: UInt32) -> Double { Double(hex >> shift & 255) / 255 }
    self.init(red: part(16), green: part(8), blue: part(0))
  }

  /// The same colour, more or less of it.
  public func opacity(_ opacity: Double) -> Color {
    Color(red: red, green: green, blue: blue, opacity: opacity)
  }

  /// The colour of letters and axes.
  public static let black = Color(0x000000)
  /// The paper.
  public static let white = Color(0xFFFFFF)
  /// The colour of data beside samples.
  public static let gray = Color(0x707070)
  /// The palette's first colour: samples.
  public static let blue = Color(0x0072B2)
  /// The palette's second colour: contours.
  public static let vermilion = Color(0xD55E00)

  /// Colours that differ for the colour-blind too, without the yellow, which is too light on white.
  /// Source: Okabe and Ito, "Color universal design" (2008).
  public static let palette = [
    blue, vermilion, Color(0x009E73), Color(0xE69F00), Color(0xCC79A7), Color(0x56B4E9), black,
  ]

  /// White over blue to nearly black: the larger the value, the darker, in gray print too.
  /// - Parameter value: from 0 to 1.
  public static func density(_ value: Double) -> Color {
    let stops = [white, Color(0xC6DBEF), Color(0x5BA3D0), blue, Color(0x003A66), Color(0x00152B)]
    let place = min(max(value, 0), 1) * Double(stops.count - 1)
    let index = min(Int(place), stops.count - 2)
    let (a, b, share) = (stops[index], stops[index + 1], place - Double(index))
    return Color(
      red: a.red + share * (b.red - a.red), green: a.green + share * (b.green - a.green),
      blue: a.blue + share * (b.blue - a.blue))
  }
}
