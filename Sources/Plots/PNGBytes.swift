// SPDX-License-Identifier: GPL-3.0-or-later
import CCairo
import CPNG
import Foundation

enum PNGBytes {
  /// A surface as PNG, in all its colours.
  static func encoded(_ surface: OpaquePointer, dotsPerInch: Double) throws -> Data {
    let sink = Sink()
    let status = cairo_surface_write_to_png_stream(surface, Sink.write, Unmanaged.passUnretained(sink).toOpaque())
    guard status == CAIRO_STATUS_SUCCESS else {
      throw PlotError(description: "Cairo could not write a PNG: \(String(cString: cairo_status_to_string(status)))")
    }
    return withResolution(sink.data, dotsPerInch)
  }

  /// An RGB surface as PNG of at most 256 colours: the means of the most frequent cells of 8 × 8 × 8 levels, which
  /// stand for the nearest rarer ones too.
  static func indexed(_ surface: OpaquePointer, dotsPerInch: Double) throws -> Data {
    cairo_surface_flush(surface)
    let (width, height) = (Int(cairo_image_surface_get_width(surface)), Int(cairo_image_surface_get_height(surface)))
    let stride = Int(cairo_image_surface_get_stride(surface)) / 4
    guard let memory = cairo_image_surface_get_data(surface) else { throw PlotError(description: "Cairo has no sheet") }
    let (indices, colors) = memory.withMemoryRebound(to: UInt32.self, capacity: stride * height) {
      palette($0, width, height, stride)
    }
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(width)
    image.height = UInt32(height)
    // PNG_FORMAT_RGB_COLORMAP
    image.format = 10
    image.colormap_entries = UInt32(colors.count / 3)
    // What deflate and the palette can take at most, so that one pass is enough.
    var size = (width + 1) * height * 11 / 10 + 65_536
    var data = Data(count: size)
    let isDone = data.withUnsafeMutableBytes {
      png_image_write_to_memory(&image, $0.baseAddress, &size, 0, indices, 0, colors) != 0
    }
    guard isDone else { throw PlotError(description: "libpng could not encode a figure") }
    return withResolution(data.prefix(size), dotsPerInch)
  }

  private static func palette(
    _ pixels: UnsafePointer<UInt32>, _ width: Int, _ height: Int, _ stride: Int
  ) -> (indices: [UInt8], colors: [UInt8]) {
    func cell(_ pixel: UInt32) -> Int {
      let (red, green, blue) = (pixel >> 19 & 31, pixel >> 11 & 31, pixel >> 3 & 31)
      return Int(red << 10 | green << 5 | blue)
    }
    var counts = [Int](repeating: 0, count: 1 << 15)
    // Most of the paper.
    var white = 0
    var sums = [SIMD3<Int>](repeating: .zero, count: 1 << 15)
    for y in 0..<height {
      for x in 0..<width {
        let pixel = pixels[y * stride + x]
        if pixel & 0xFF_FFFF == 0xFF_FFFF {
          white += 1
          continue
        }
        counts[cell(pixel)] += 1
        sums[cell(pixel)] &+= SIMD3(Int(pixel >> 16 & 255), Int(pixel >> 8 & 255), Int(pixel & 255))
      }
    }
    counts[counts.count - 1] += white
    sums[sums.count - 1] &+= SIMD3(repeating: 255 * white)
    let used = counts.indices.filter { counts[$0] > 0 }
    let means = used.map { cell -> SIMD3<Int> in
      (sums[cell] &+ SIMD3(repeating: counts[cell] / 2)) / SIMD3(repeating: counts[cell])
    }
    // Of equally frequent ones the darker first: the order must be one.
    let order = used.indices.sorted { (counts[used[$0]], used[$1]) > (counts[used[$1]], used[$0]) }.prefix(256)
    let chosen = order.map { means[$0] }
    var table = [UInt8](repeating: 0, count: 1 << 15)
    for (place, cell) in used.enumerated() {
      var best = (distance: Int.max, index: 0)
      for (index, color) in chosen.enumerated() {
        let distance = (color &- means[place]) &* (color &- means[place])
        let sum = distance.x + distance.y + distance.z
        if sum < best.distance { best = (sum, index) }
      }
      table[cell] = UInt8(best.index)
    }
    var indices = [UInt8](repeating: 0, count: width * height)
    for y in 0..<height { for x in 0..<width { indices[y * width + x] = table[cell(pixels[y * stride + x])] } }
    return (indices, chosen.flatMap { [UInt8($0.x), UInt8($0.y), UInt8($0.z)] })
  }

  /// Adds a chunk `pHYs` behind the header, which says the resolution (PNG specification, third edition, section
  /// 11.3.4.3).
  private static func withResolution(_ png: Data, _ dotsPerInch: Double) -> Data {
    let perMetre = withUnsafeBytes(of: UInt32((dotsPerInch / 0.0254).rounded()).bigEndian) { Array($0) }
    let content = Array("pHYs".utf8) + perMetre + perMetre + [1]
    let sum = withUnsafeBytes(of: checksum(content).bigEndian) { Array($0) }
    // Eight bytes of signature, and the header's chunk of 25.
    var data = Data(png)
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
