// SPDX-License-Identifier: GPL-3.0-or-later

/// A checksum of 64 bits of a stream of bytes, eight at a time: tells damaged bytes from whole ones at the speed of
/// memory. Every change within one word of eight bytes is found, and others but for one of 2⁶⁴. It does not withstand
/// forgery.
///
/// h ← p (h ⊕ word), h ← h ⊕ h ≫ 32 with FNV's prime p: both steps are one to one. The number of bytes is the last
/// word.
public struct ByteChecksum: Sendable {
  private var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  private var count: UInt64 = 0
  /// Bytes that do not fill a word yet.
  private var part: UInt64 = 0

  /// The checksum of no bytes.
  public init() {}

  private static func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    let product = (hash ^ word) &* 0x100_0000_01b3
    return product ^ product >> 32
  }

  /// Adds bytes to the stream; how it is cut into pieces changes nothing.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var place = 0
    func addByte(_ checksum: inout ByteChecksum) {
      checksum.part |= UInt64(bytes[place]) << (8 * (checksum.count % 8))
      checksum.count += 1
      place += 1
      if checksum.count % 8 == 0 {
        checksum.hash = mixed(checksum.hash, checksum.part)
        checksum.part = 0
      }
    }
    func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 { Self.mixed(hash, word) }
    while place < bytes.count, count % 8 != 0 { addByte(&self) }
    var running = hash
    let start = place
    while place + 8 <= bytes.count {
      running = Self.mixed(
        running, UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
      place += 8
    }
    hash = running
    count += UInt64(place - start)
    while place < bytes.count { addByte(&self) }
  }

  /// In 16 hexadecimal digits.
  public var text: String {
    let digits = String(Self.mixed(Self.mixed(hash, part), count), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
