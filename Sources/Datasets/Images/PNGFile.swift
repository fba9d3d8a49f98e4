// SPDX-License-Identifier: GPL-3.0-or-later
import CPNG
import Core

/// A PNG file of any type (palette, 1 to 16 bits, gray, alpha, interlaced), read by libpng as 8-bit sRGB or gray.
///
/// What is transparent is composed on a ground; 16-bit values without a gamma are taken as sRGB. Gray is the luminance
/// 0.2126 R + 0.7152 G + 0.0722 B that libpng computes in linear light; RGB of a gray file has three equal values.
struct PNGFile: Sendable {
  let path: String
  let width, height: Int
  /// Whether pixels may be transparent.
  let isTransparent: Bool
  /// The checksum of the file's content.
  let checksum: UInt64

  /// 805 MB of RGB.
  static let largestPixelCount = 1 << 28
  /// How many bytes a file may have.
  static let largestFile = 1 << 30

  /// Looks at the file's chunks, without unpacking them.
  /// - Throws: `InputError` for what is no PNG file, for one that ends early, and for a header of more pixels than its
  ///   data can hold.
  init(path: String) throws {
    let bytes = try Self.contents(path)
    let structure: Structure
    do { structure = try Structure(bytes) } catch { throw InputError(error.message, at: path) }
    self.path = path
    (width, height) = (structure.width, structure.height)
    isTransparent = structure.isTransparent
    checksum = Self.checksum(bytes)
  }

  /// The pixels, flattened height, width, channel.
  /// - Parameters:
  ///   - channels: 1 for gray, 3 for RGB.
  ///   - background: the gray value that transparent pixels are composed on.
  /// - Throws: `InputError` for a file that libpng refuses, or that has changed since it was looked at.
  func pixels(channels: Int, background: UInt8) throws -> [UInt8] {
    precondition(channels == 1 || channels == 3)
    let bytes = try Self.contents(path)
    guard Self.checksum(bytes) == checksum else { throw InputError("changed while it was read", at: path) }
    // It stays at one address throughout: libpng keeps a pointer to it.
    let image = UnsafeMutablePointer<png_image>.allocate(capacity: 1)
    image.initialize(to: png_image())
    defer {
      png_image_free(image)
      image.deallocate()
    }
    image.pointee.version = UInt32(PNG_IMAGE_VERSION)
    return try bytes.withUnsafeBytes { bytes in
      guard png_image_begin_read_from_memory(image, bytes.baseAddress, bytes.count) != 0 else { throw damaged(image) }
      guard Int(image.pointee.width) == width, Int(image.pointee.height) == height else { throw damaged(image) }
      // PNG_FORMAT_RGB or PNG_FORMAT_GRAY, and PNG_IMAGE_FLAG_16BIT_sRGB: macros that Swift does not see.
      image.pointee.format = channels == 3 ? 2 : 0
      image.pointee.flags |= 4
      var pixels = [UInt8](repeating: 0, count: width * height * channels)
      var ground = png_color(red: background, green: background, blue: background)
      guard png_image_finish_read(image, &ground, &pixels, 0, nil) != 0 else { throw damaged(image) }
      return pixels
    }
  }

  private func damaged(_ image: UnsafeMutablePointer<png_image>) -> InputError {
    let reason = withUnsafeBytes(of: image.pointee.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return InputError("cannot be read as PNG: \(reason)", at: path)
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt64 {
    var checksum = ContentChecksum()
    checksum.add(bytes)
    return checksum.value
  }

  private static func contents(_ path: String) throws -> [UInt8] {
    let size = try FileBytes.state(of: path).size
    guard size <= largestFile else {
      throw InputError("is \(size) bytes long; allowed: up to \(largestFile)", at: path)
    }
    let file = try OpenFile(path)
    return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      guard size == 0 || file.read(0..<size, into: buffer.baseAddress!) else { throw FileBytes.unreadable(path) }
      count = size
    }
  }
}

extension ImageSource {
  /// The images of files, as bytes.
  /// - Parameters:
  ///   - files: at least as large as the rows.
  ///   - shape: that of the rows.
  ///   - background: what transparent pixels are composed on.
  ///   - flips: whether half of the crops are mirrored.
  /// - Throws: `InputError` for a file that libpng refuses, or that has changed since it was looked at; `WriteError`
  ///   where there is no room for many images.
  init(unpacking files: [PNGFile], shape: ImageShape, background: ImageFolder.Background, flips: Bool) throws {
    let sizes = files.map { ($0.height, $0.width) }
    var collector = try PixelCollector(size: sizes.reduce(0) { $0 + $1.0 * $1.1 * shape.channels })
    for file in files {
      let pixels = try file.pixels(channels: shape.channels, background: background.value)
      try pixels.withUnsafeBytes { try collector.append($0) }
    }
    self.init(shape: shape, flips: flips)
    append(collector.finished, sizes: sizes)
  }
}

extension PNGFile {
  /// What a PNG file's chunks say.
  struct Structure {
    let width, height: Int
    private(set) var isTransparent: Bool

    /// - Throws: `InputError` without a location.
    init(_ bytes: [UInt8]) throws(InputError) {
      func wrong(_ message: String) -> InputError { InputError("cannot be read as PNG: \(message)") }
      guard bytes.starts(with: FileSignature.png) else {
        let found = FileSignature.name(of: bytes).map { "it is a \($0) file by its content" }
        throw wrong(found ?? (bytes.isEmpty ? "it is empty" : "it does not begin as PNG files do"))
      }
      func word(_ index: Int) -> Int { bytes[index..<index + 4].reduce(0) { $0 << 8 | Int($1) } }
      guard bytes.count >= 33, bytes[12..<16].elementsEqual("IHDR".utf8), word(8) == 13 else {
        throw wrong("it ends within its header")
      }
      (width, height) = (word(16), word(20))
      let (depth, color) = (Int(bytes[24]), bytes[25])
      guard width > 0, height > 0, width <= Int(Int32.max), height <= Int(Int32.max) else {
        throw wrong("its header says \(width) × \(height) pixels")
      }
      guard let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][color], [1, 2, 4, 8, 16].contains(depth) else {
        throw wrong("its header says color type \(color) of \(depth) bits")
      }
      isTransparent = color == 4 || color == 6
      var (place, packed) = (8, 0)
      while true {
        guard place + 12 <= bytes.count else { throw wrong("it is truncated: it has no IEND") }
        let length = word(place)
        let name = bytes[place + 4..<place + 8]
        guard length <= bytes.count - place - 12 else {
          throw wrong("it is truncated within \(String(decoding: name, as: UTF8.self).filter(\.isLetter))")
        }
        if name.elementsEqual("IEND".utf8) { break }
        if name.elementsEqual("IDAT".utf8) { packed += length }
        if name.elementsEqual("tRNS".utf8) { isTransparent = true }
        place += 12 + length
      }
      // Deflate makes at most 1,032 bytes of one.
      let (bits, overflow) = width.multipliedReportingOverflow(by: depth * channels)
      let (unpacked, overflow2) = ((bits + 7) / 8).multipliedReportingOverflow(by: height)
      guard !overflow, !overflow2, unpacked <= 1032 * packed else {
        throw InputError("says it is \(width) × \(height) pixels, which \(packed) bytes of PNG data cannot be")
      }
      guard width * height <= PNGFile.largestPixelCount else {
        throw InputError("is \(width) × \(height) pixels; allowed: up to \(PNGFile.largestPixelCount) of them")
      }
    }
  }
}
