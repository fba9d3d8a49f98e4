// SPDX-License-Identifier: GPL-3.0-or-later
import CCairo
import Foundation

extension Raster {
  /// The largest picture that is unpacked: 64 MiB of memory.
  private static let mostPixels = 1 << 24

  /// The picture of a PNG file as another PNG file, made smaller where it is wider than so many pixels.
  /// - Parameters:
  ///   - png: the file's bytes.
  ///   - most: how many pixels it has across at most.
  /// - Returns: nil for what is no PNG file of at most 2²⁴ pixels that Cairo can read.
  public static func shrunk(png: Data, width most: Int) -> Data? {
    let png = Data(png)
    func number(_ at: Int) -> Int { png[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    guard png.count > 33, png.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]), most > 0 else {
      return nil
    }
    let (width, height) = (number(16), number(20))
    guard width > 0, height > 0, width <= mostPixels, height <= mostPixels, width * height <= mostPixels else {
      return nil
    }
    let source = Source(png)
    guard
      let image = cairo_image_surface_create_from_png_stream(Source.read, Unmanaged.passUnretained(source).toOpaque())
    else { return nil }
    defer { cairo_surface_destroy(image) }
    guard withExtendedLifetime(source, { cairo_surface_status(image) == CAIRO_STATUS_SUCCESS }) else { return nil }
    let scale = min(1, Double(most) / Double(width))
    let (newWidth, newHeight) = (max(1, (Double(width) * scale).rounded()), max(1, (Double(height) * scale).rounded()))
    guard let sheet = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(newWidth), Int32(newHeight)),
      let canvas = try? Canvas(sheet)
    else { return nil }
    cairo_set_source_rgb(canvas.context, 1, 1, 1)
    cairo_paint(canvas.context)
    cairo_scale(canvas.context, newWidth / Double(width), newHeight / Double(height))
    cairo_set_source_surface(canvas.context, image, 0, 0)
    cairo_pattern_set_filter(cairo_get_source(canvas.context), CAIRO_FILTER_GOOD)
    cairo_pattern_set_extend(cairo_get_source(canvas.context), CAIRO_EXTEND_PAD)
    cairo_paint(canvas.context)
    guard (try? canvas.check()) != nil else { return nil }
    return try? PNGBytes.encoded(sheet, dotsPerInch: 96)
  }

  /// What Cairo reads from.
  private final class Source {
    private let data: Data
    private var place = 0

    init(_ data: Data) { self.data = data }

    static let read: cairo_read_func_t = { source, target, count in
      guard let source, let target else { return CAIRO_STATUS_READ_ERROR }
      let mine = Unmanaged<Source>.fromOpaque(source).takeUnretainedValue()
      let end = mine.place + Int(count)
      guard end <= mine.data.count else { return CAIRO_STATUS_READ_ERROR }
      mine.data.copyBytes(to: target, from: mine.place..<end)
      mine.place = end
      return CAIRO_STATUS_SUCCESS
    }
  }
}
