// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// What a file is by its first bytes, whatever its name says.
enum FileSignature {
  static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// The format of a file that begins with these bytes, 12 or more; nil: none that is known here.
  static func name(of bytes: [UInt8]) -> String? {
    let known: [(name: String, bytes: [UInt8])] = [
      ("PNG", png), ("JPEG", [0xFF, 0xD8, 0xFF]), ("GIF", Array("GIF8".utf8)), ("BMP", Array("BM".utf8)),
      ("TIFF", Array("II*\0".utf8)), ("TIFF", Array("MM\0*".utf8)), ("gzip", [0x1F, 0x8B]),
    ]
    if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) { return "WebP" }
    return known.first { bytes.starts(with: $0.bytes) }?.name
  }

  /// The same for a file; nil also where it cannot be read.
  static func name(ofFile path: String) -> String? {
    guard let stream = fopen(path, "rb") else { return nil }
    defer { fclose(stream) }
    var bytes = [UInt8](repeating: 0, count: 12)
    let count = fread(&bytes, 1, bytes.count, stream)
    return name(of: Array(bytes[..<count]))
  }
}
