// SPDX-License-Identifier: GPL-3.0-or-later
import CPNG
import Core

/// A PNG file of any type, read by libpng as 8-bit sRGB or gray.
///
/// What is transparent is composed on white; 16-bit values without a gamma are taken as sRGB; gray is the luminance
/// that libpng computes in linear light.
struct PNGFile {
  let path: String
  let width, height: Int

  /// Reads the header only.
  /// - Throws: `InputError` for what is no PNG file, or has a header of more pixels than a file of its size can hold.
  init(path: String) throws {
    self.path = path
    let size = try FileBytes.state(of: path).size
    (width, height) = try Self.open(path) { (Int($0.pointee.width), Int($0.pointee.height)) }
    // Deflate makes at most 1,032 bytes of one, and a byte holds 8 pixels at most: so much may a header claim.
    guard width > 0, height > 0, width * height / 8 <= 1032 * size, width * height <= 1 << 28 else {
      throw InputError("says it is \(width) × \(height) pixels, which \(size) bytes of PNG cannot be", at: path)
    }
  }

  /// The pixels, flattened height, width, channel.
  /// - Parameter channels: 1 for gray, 3 for RGB.
  func pixels(channels: Int) throws -> [UInt8] {
    precondition(channels == 1 || channels == 3)
    return try Self.open(path) { image in
      guard Int(image.pointee.width) == width, Int(image.pointee.height) == height else {
        throw InputError("changed while it was read", at: path)
      }
      // PNG_FORMAT_RGB or PNG_FORMAT_GRAY, and PNG_IMAGE_FLAG_16BIT_sRGB: macros that Swift does not see.
      image.pointee.format = channels == 3 ? 2 : 0
      image.pointee.flags |= 4
      var pixels = [UInt8](repeating: 0, count: width * height * channels)
      var white = png_color(red: 255, green: 255, blue: 255)
      guard png_image_finish_read(image, &white, &pixels, 0, nil) != 0 else { throw Self.damaged(image, path) }
      return pixels
    }
  }

  /// Reads the header and hands the image on. It stays at one address throughout: libpng keeps a pointer to it.
  private static func open<R>(_ path: String, _ body: (UnsafeMutablePointer<png_image>) throws -> R) throws -> R {
    let image = UnsafeMutablePointer<png_image>.allocate(capacity: 1)
    image.initialize(to: png_image())
    defer {
      png_image_free(image)
      image.deallocate()
    }
    image.pointee.version = UInt32(PNG_IMAGE_VERSION)
    guard png_image_begin_read_from_file(image, path) != 0 else { throw damaged(image, path) }
    return try body(image)
  }

  private static func damaged(_ image: UnsafeMutablePointer<png_image>, _ path: String) -> InputError {
    let reason = withUnsafeBytes(of: image.pointee.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return InputError("cannot be read as PNG: \(reason)", at: path)
  }
}
