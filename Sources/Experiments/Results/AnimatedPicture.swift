// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Foundation

/// Animated PNG (PNG specification, third edition, section 11.3.4): frames as libpng compresses them, in chunks that
/// programs without animation skip, so that they show the first frame.
enum AnimatedPicture {
  /// - Parameters:
  ///   - frames: at least one, all of one size.
  ///   - delay: milliseconds between frames; the last stays for 1.5 s.
  static func png(_ frames: [Picture], delay: UInt16 = 80) throws -> Data {
    let parts = try frames.map { try chunks(of: $0.png()) }
    guard let first = parts.first, let header = first.first(where: { $0.name == "IHDR" }) else { throw PictureError() }
    var data = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
    data += chunk("IHDR", header.body)
    data += chunk("acTL", bytes(UInt32(frames.count)) + bytes(UInt32(0)))
    var sequence: UInt32 = 0
    for (index, part) in parts.enumerated() {
      let wait = index == parts.count - 1 ? 1500 : delay
      // Number, size, offset, delay as a fraction, and: leave what is there, draw over it.
      let control =
        bytes(sequence) + bytes(UInt32(frames[index].width)) + bytes(UInt32(frames[index].height)) + bytes(UInt32(0))
        + bytes(UInt32(0)) + bytes(wait) + bytes(UInt16(1000)) + Data([0, 0])
      data += chunk("fcTL", control)
      sequence += 1
      for piece in part where piece.name == "IDAT" {
        if index == 0 {
          data += chunk("IDAT", piece.body)
        } else {
          data += chunk("fdAT", bytes(sequence) + piece.body)
          sequence += 1
        }
      }
    }
    return data + chunk("IEND", Data())
  }

  /// The chunks of a PNG file.
  static func chunks(of png: Data) throws -> [(name: String, body: Data)] {
    var result: [(String, Data)] = []
    var place = 8
    let png = Data(png)
    while place + 12 <= png.count {
      let length = png[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      guard place + 12 + length <= png.count else { throw PictureError() }
      result.append((String(decoding: png[place + 4..<place + 8], as: UTF8.self), png[place + 8..<place + 8 + length]))
      place += 12 + length
    }
    return result
  }

  private static func chunk(_ name: String, _ body: Data) -> Data {
    let content = Data(name.utf8) + body
    let sum = content.withUnsafeBytes {
      crc32(0, $0.bindMemory(to: UInt8.self).baseAddress, UInt32($0.count))
    }
    return bytes(UInt32(body.count)) + content + bytes(UInt32(sum))
  }

  private static func bytes<Value: FixedWidthInteger>(_ value: Value) -> Data {
    withUnsafeBytes(of: value.bigEndian) { Data($0) }
  }
}
