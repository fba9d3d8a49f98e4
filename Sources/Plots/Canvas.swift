// SPDX-License-Identifier: GPL-3.0-or-later
import CCairo
import Foundation

/// A sheet that Cairo draws on. Lengths are in points from the upper left corner. It stays on the thread that made it.
final class Canvas {
  let context: OpaquePointer
  private let surface: OpaquePointer
  /// What was written, and where.
  private(set) var texts: [PlacedText] = []

  /// Takes over a surface.
  /// - Parameter scale: the surface's units in a point.
  /// - Throws: `PlotError` where Cairo has no memory for it.
  init(_ surface: OpaquePointer, scale: Double = 1) throws {
    self.surface = surface
    context = cairo_create(surface)
    cairo_scale(context, scale, scale)
    // The same letters whatever the machine's settings are, and as wide at every size.
    let options = cairo_font_options_create()
    defer { cairo_font_options_destroy(options) }
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE)
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF)
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY)
    cairo_set_font_options(context, options)
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
    try check()
  }

  deinit {
    cairo_destroy(context)
    cairo_surface_destroy(surface)
  }

  /// - Throws: `PlotError` where something that was drawn went wrong.
  func check() throws {
    for status in [cairo_status(context), cairo_surface_status(surface)] where status != CAIRO_STATUS_SUCCESS {
      throw PlotError(description: "Cairo could not draw a figure: \(String(cString: cairo_status_to_string(status)))")
    }
  }

  /// Brings everything to the surface.
  func finish() throws {
    try check()
    cairo_surface_flush(surface)
    cairo_surface_finish(surface)
    try check()
  }

  // MARK: Text

  struct Font {
    var size: Double
    var isBold = false
    /// From the base line up, and down.
    var ascent: Double { 0.76 * size }
    var descent: Double { 0.24 * size }
    var height: Double { ascent + descent }
  }

  enum Anchor: Double { case start = 0, middle = 0.5, end = 1 }

  private func select(_ font: Font) {
    cairo_select_font_face(
      context, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, font.isBold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL)
    cairo_set_font_size(context, font.size)
  }

  /// How long a text is.
  func width(_ text: String, _ font: Font) -> Double {
    select(font)
    var extents = cairo_text_extents_t()
    cairo_text_extents(context, Self.clean(text), &extents)
    return extents.x_advance
  }

  /// The text, with its end left out where it is longer than `length`.
  func fitted(_ text: String, _ font: Font, _ length: Double) -> String {
    var text = Self.clean(String(text.prefix(300)))
    guard width(text, font) > length else { return text }
    while !text.isEmpty && width(text + "…", font) > length { text.removeLast() }
    return text.isEmpty ? "" : text + "…"
  }

  /// Without control characters, at which C's texts end or letters are missing.
  static func clean(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }

  /// Writes a text.
  /// - Parameters:
  ///   - text: what.
  ///   - x, y: the point at the anchor, on the middle of the letters' height.
  ///   - font: how.
  ///   - anchor: which part of the text is at the point.
  ///   - isUpright: whether it runs upwards.
  func write(_ text: String, x: Double, y: Double, _ font: Font, _ anchor: Anchor = .middle, isUpright: Bool = false) {
    let text = Self.clean(text)
    guard !text.isEmpty else { return }
    let length = width(text, font)
    let (before, after) = (length * anchor.rawValue, length * (1 - anchor.rawValue))
    let half = font.height / 2
    texts.append(
      isUpright
        ? PlacedText(text: text, left: x - half, top: y - after, right: x + half, bottom: y + before)
        : PlacedText(text: text, left: x - before, top: y - half, right: x + after, bottom: y + half))
    cairo_save(context)
    cairo_translate(context, x, y)
    if isUpright { cairo_rotate(context, -.pi / 2) }
    cairo_move_to(context, -before, half - font.descent)
    set(.black)
    cairo_show_text(context, text)
    cairo_restore(context)
  }

  // MARK: Lines and areas

  func set(_ color: Color) {
    cairo_set_source_rgba(context, color.red, color.green, color.blue, color.opacity)
  }

  func stroke(_ color: Color, width: Double, dash: Style.Dash = .solid) {
    set(color)
    cairo_set_line_width(context, width)
    let lengths: [Double] =
      switch dash {
      case .solid: []
      case .dashed: [4, 2.5]
      case .dotted: [1.2, 1.8]
      case .dashDotted: [5, 2, 1.2, 2]
      }
    cairo_set_dash(context, lengths, Int32(lengths.count), 0)
    cairo_stroke(context)
    cairo_set_dash(context, nil, 0, 0)
  }

  func fill(_ color: Color) {
    set(color)
    cairo_fill(context)
  }

  func line(_ x0: Double, _ y0: Double, _ x1: Double, _ y1: Double, _ color: Color, width: Double) {
    cairo_move_to(context, x0, y0)
    cairo_line_to(context, x1, y1)
    stroke(color, width: width)
  }

  func clipped(_ box: Box, _ body: () -> Void) {
    cairo_save(context)
    cairo_rectangle(context, box.left, box.top, box.width, box.height)
    cairo_clip(context)
    body()
    cairo_restore(context)
  }

  /// Puts a picture into a box, every pixel a rectangle.
  func draw(_ raster: Raster, in box: Box) {
    let stride = Int(cairo_format_stride_for_width(CAIRO_FORMAT_RGB24, Int32(raster.width)))
    var bytes = [UInt32](repeating: 0, count: stride / 4 * raster.height)
    for y in 0..<raster.height {
      for x in 0..<raster.width {
        let i = 3 * (y * raster.width + x)
        bytes[y * stride / 4 + x] =
          UInt32(raster.pixels[i]) << 16 | UInt32(raster.pixels[i + 1]) << 8 | UInt32(raster.pixels[i + 2])
      }
    }
    bytes.withUnsafeMutableBytes { memory in
      guard
        let image = cairo_image_surface_create_for_data(
          memory.bindMemory(to: UInt8.self).baseAddress, CAIRO_FORMAT_RGB24, Int32(raster.width), Int32(raster.height),
          Int32(stride))
      else { return }
      cairo_save(context)
      cairo_translate(context, box.left, box.top)
      cairo_scale(context, box.width / Double(raster.width), box.height / Double(raster.height))
      cairo_set_source_surface(context, image, 0, 0)
      cairo_pattern_set_filter(cairo_get_source(context), CAIRO_FILTER_NEAREST)
      // Without it, the outermost pixels fade into the paper.
      cairo_pattern_set_extend(cairo_get_source(context), CAIRO_EXTEND_PAD)
      cairo_rectangle(context, 0, 0, Double(raster.width), Double(raster.height))
      cairo_fill(context)
      cairo_restore(context)
      // The memory goes, and with it what a page would still refer to.
      cairo_surface_finish(image)
      cairo_surface_destroy(image)
    }
  }
}

/// A rectangle in points, from the upper left corner.
struct Box {
  var left, top, right, bottom: Double
  var width: Double { right - left }
  var height: Double { bottom - top }
}

/// Cairo could not draw: as a rule, there is no memory for a sheet.
public struct PlotError: Error, CustomStringConvertible, Sendable {
  /// Cairo's words.
  public let description: String
}
