// SPDX-License-Identifier: GPL-3.0-or-later
import CCairo
import Foundation

extension Figure {
  /// The kinds of files, by the endings of their names.
  public enum Format: String, Sendable, CaseIterable { case png, svg, pdf }

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
    return try PNGBytes.encoded(surface, dotsPerInch: dotsPerInch)
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

enum PNGBytes {
  /// A surface as PNG, with a chunk `pHYs` behind the header that says its resolution (PNG specification, third
  /// edition, section 11.3.4.3).
  static func encoded(_ surface: OpaquePointer, dotsPerInch: Double) throws -> Data {
    let sink = Sink()
    let status = cairo_surface_write_to_png_stream(surface, Sink.write, Unmanaged.passUnretained(sink).toOpaque())
    guard status == CAIRO_STATUS_SUCCESS else {
      throw PlotError(description: "Cairo could not write a PNG: \(String(cString: cairo_status_to_string(status)))")
    }
    let perMetre = withUnsafeBytes(of: UInt32((dotsPerInch / 0.0254).rounded()).bigEndian) { Array($0) }
    let content = Array("pHYs".utf8) + perMetre + perMetre + [1]
    let sum = withUnsafeBytes(of: checksum(content).bigEndian) { Array($0) }
    // Eight bytes of signature, and the header's chunk of 25.
    var data = sink.data
    data.insert(contentsOf: [0, 0, 0, 9] + content + sum, at: 33)
    return data
  }

  /// CRC-32 of a few bytes.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
  }
}
