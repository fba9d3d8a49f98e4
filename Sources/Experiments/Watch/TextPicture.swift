// SPDX-License-Identifier: GPL-3.0-or-later
import CPNG
import Foundation

/// A picture in characters: two pixels in each, one above the other, in the terminal's colours; or one of some shades
/// where it has none.
struct TextPicture {
  /// Each takes `columns` columns of a terminal, whatever its count of characters.
  let lines: [String]
  let columns: Int

  /// - Parameters:
  ///   - png: the file's bytes.
  ///   - columns: the most columns to take.
  ///   - rows: the most lines to take.
  /// - Returns: nil for what libpng cannot read, and where there is no room.
  init?(png: Data, columns: Int, rows: Int, terminal: Terminal) {
    guard columns >= 4, rows >= 2, let picture = Self.decode(png) else { return nil }
    let isColoured = terminal.colours != .none && terminal.isUnicode
    // A character is about twice as high as it is wide.
    let zoom = min(Double(columns) / Double(picture.width), Double(2 * rows) / Double(picture.height))
    let width = max(1, min(columns, Int((Double(picture.width) * zoom).rounded())))
    let height = max(1, min(rows, Int((Double(picture.height) * zoom / 2).rounded())))
    self.columns = width
    let pixels = Self.scaled(picture, width: width, height: isColoured ? 2 * height : height)
    lines = (0..<height).map { row in
      isColoured
        ? Self.coloured(pixels, row, width: width, terminal.colours) : Self.shaded(pixels, row, width: width)
    }
  }

  private struct Pixels {
    let width, height: Int
    /// RGB.
    let values: [UInt8]
  }

  private static func decode(_ png: Data) -> Pixels? {
    // It stays at one address: libpng keeps a pointer to it.
    let image = UnsafeMutablePointer<png_image>.allocate(capacity: 1)
    image.initialize(to: png_image())
    defer {
      png_image_free(image)
      image.deallocate()
    }
    image.pointee.version = UInt32(PNG_IMAGE_VERSION)
    return png.withUnsafeBytes { bytes -> Pixels? in
      guard let start = bytes.baseAddress, png_image_begin_read_from_memory(image, start, bytes.count) != 0 else {
        return nil
      }
      let (width, height) = (Int(image.pointee.width), Int(image.pointee.height))
      guard width > 0, height > 0, width <= 1 << 14, height <= 1 << 14, width * height <= 1 << 26 else { return nil }
      // PNG_FORMAT_RGB
      image.pointee.format = 2
      var ground = png_color(red: 255, green: 255, blue: 255)
      var values = [UInt8](repeating: 0, count: width * height * 3)
      guard png_image_finish_read(image, &ground, &values, 0, nil) != 0 else { return nil }
      return Pixels(width: width, height: height, values: values)
    }
  }

  /// Means over boxes.
  private static func scaled(_ picture: Pixels, width: Int, height: Int) -> [(UInt8, UInt8, UInt8)] {
    func range(_ i: Int, _ count: Int, _ size: Int) -> Range<Int> {
      let first = i * size / count
      return first..<max(first + 1, (i + 1) * size / count)
    }
    return (0..<width * height).map { index in
      let (xs, ys) = (range(index % width, width, picture.width), range(index / width, height, picture.height))
      var sums = (0, 0, 0)
      for y in ys {
        for x in xs {
          let place = 3 * (y * picture.width + x)
          sums.0 += Int(picture.values[place])
          sums.1 += Int(picture.values[place + 1])
          sums.2 += Int(picture.values[place + 2])
        }
      }
      let count = xs.count * ys.count
      return (UInt8(sums.0 / count), UInt8(sums.1 / count), UInt8(sums.2 / count))
    }
  }

  /// Upper halves: the colour of the character is that of the upper pixel, its ground that of the lower one.
  private static func coloured(
    _ pixels: [(UInt8, UInt8, UInt8)], _ row: Int, width: Int, _ colours: Terminal.Colours
  ) -> String {
    func code(_ pixel: (UInt8, UInt8, UInt8)) -> String {
      if colours == .full { return "2;\(pixel.0);\(pixel.1);\(pixel.2)" }
      // The cube of 6 × 6 × 6 colours.
      func level(_ value: UInt8) -> Int { (Int(value) * 5 + 127) / 255 }
      return "5;\(16 + 36 * level(pixel.0) + 6 * level(pixel.1) + level(pixel.2))"
    }
    var (line, last) = ("", "")
    for x in 0..<width {
      let (upper, lower) = (pixels[2 * row * width + x], pixels[(2 * row + 1) * width + x])
      let style = "\u{1B}[38;\(code(upper))m\u{1B}[48;\(code(lower))m"
      line += (style == last ? "" : style) + "▀"
      last = style
    }
    return line + "\u{1B}[0m"
  }

  /// From light to dark, as on paper.
  private static func shaded(_ pixels: [(UInt8, UInt8, UInt8)], _ row: Int, width: Int) -> String {
    let shades = Array(" .:-=+*#%@")
    return String(
      (0..<width).map { x in
        let pixel = pixels[row * width + x]
        let luminance = 0.2126 * Double(pixel.0) + 0.7152 * Double(pixel.1) + 0.0722 * Double(pixel.2)
        return shades[min(shades.count - 1, Int((255 - luminance) / 256 * Double(shades.count)))]
      })
  }
}
