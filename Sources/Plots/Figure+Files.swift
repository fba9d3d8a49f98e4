// SPDX-License-Identifier: GPL-3.0-or-later
import CCairo
import Foundation

extension Figure {
  /// The kinds of files, by the endings of their names.
  public enum Format: String, Sendable, CaseIterable {
    /// Pixels, 300 an inch.
    case png
    /// Lines, letters as outlines.
    case svg
    /// Lines, with the fonts.
    case pdf
  }

  /// Cairo's version.
  public static var cairoVersion: String { String(cString: cairo_version_string()) }

  /// The figure as a file's bytes: the same ones at every call on one machine.
  /// - Throws: `PlotError`
  public func data(_ format: Format) throws -> Data {
    switch format {
    case .png: try png()
    case .svg: try svg()
    case .pdf: try pdf()
    }
  }

  /// A PNG file that says its resolution.
  /// - Parameter dotsPerInch: 300 is what journals ask for.
  public func png(dotsPerInch: Double = 300) throws -> Data {
    let (width, height) = ((self.width * dotsPerInch).rounded(), (self.height * dotsPerInch).rounded())
    guard let surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(width), Int32(height)) else {
      throw PlotError(description: "Cairo made no sheet")
    }
    let canvas = try Canvas(surface, scale: dotsPerInch / 72)
    Layout(figure: self, canvas: canvas).draw()
    try canvas.check()
    // Pictures of pixels keep their colours; of lines, points and letters 256 are enough, in a third of the bytes.
    let hasPictures = panels.joined().contains { $0?.isBare ?? false }
    return try hasPictures
      ? PNGBytes.encoded(surface, dotsPerInch: dotsPerInch) : PNGBytes.indexed(surface, dotsPerInch: dotsPerInch)
  }

  /// Letters are outlines, so that no font is needed to show them.
  public func svg() throws -> Data {
    let data = try written { cairo_svg_surface_create_for_stream($0, $1, 72 * width, 72 * height) }
    return Self.numbered(data)
  }

  /// The fonts are in the file; the time is not.
  public func pdf() throws -> Data {
    try written { write, sink in
      let surface = cairo_pdf_surface_create_for_stream(write, sink, 72 * width, 72 * height)
      // What is no time leaves it out.
      cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, "none")
      if !title.isEmpty { cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, Canvas.clean(title)) }
      return surface
    }
  }

  /// All texts with their boxes, as they are drawn.
  public func texts() throws -> [PlacedText] {
    guard let surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1) else { return [] }
    let canvas = try Canvas(surface)
    Layout(figure: self, canvas: canvas).draw()
    return canvas.texts
  }

  private func written(
    _ make: (cairo_write_func_t, UnsafeMutableRawPointer) -> OpaquePointer?
  ) throws -> Data {
    let sink = Sink()
    guard let surface = make(Sink.write, Unmanaged.passUnretained(sink).toOpaque()) else {
      throw PlotError(description: "Cairo made no sheet")
    }
    let canvas = try Canvas(surface)
    Layout(figure: self, canvas: canvas).draw()
    try canvas.finish()
    return withExtendedLifetime(sink) { sink.data }
  }

  /// Cairo numbers the parts of an SVG file through the life of a program; here they count from 1 in each file.
  static func numbered(_ svg: Data) -> Data {
    let text = String(decoding: svg, as: UTF8.self)
    var (result, rest) = ("", text[...])
    var names: [Substring: Int] = [:]
    result.reserveCapacity(text.utf8.count)
    func number(_ name: Substring) -> Int {
      if let known = names[name] { return known }
      names[name] = names.count + 1
      return names.count
    }
    // `id="NAME"`, `xlink:href="#NAME"`, `href="#NAME"` and `url(#NAME)`.
    while let range = rest.firstRange(of: /\bid="([^"]*)"|="#([^"]*)"|url\(#([^)]*)\)/) {
      let match = rest[range]
      result += rest[..<range.lowerBound]
      if match.hasPrefix("id=") {
        result += "id=\"p\(number(match.dropFirst(4).dropLast()))\""
      } else if match.hasPrefix("=") {
        result += "=\"#p\(number(match.dropFirst(3).dropLast()))\""
      } else {
        result += "url(#p\(number(match.dropFirst(5).dropLast())))"
      }
      rest = rest[range.upperBound...]
    }
    return Data((result + rest).utf8)
  }
}

/// What Cairo writes to.
final class Sink {
  var data = Data()

  static let write: cairo_write_func_t = { sink, bytes, count in
    guard let sink, let bytes else { return CAIRO_STATUS_WRITE_ERROR }
    Unmanaged<Sink>.fromOpaque(sink).takeUnretainedValue().data.append(bytes, count: Int(count))
    return CAIRO_STATUS_SUCCESS
  }
}
