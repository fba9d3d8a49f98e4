// SPDX-License-Identifier: GPL-3.0-or-later

/// A checksum of 64 bits of much data: h ← fold((h ⊕ word) · k), eight bytes at a time, where fold is the exclusive or
/// of the halves of the product's 128 bits. It tells changed data from equal ones and does not withstand forgery.
///
/// It stands beside `Checksum` because data sets have gigabytes: FNV-1a takes a multiplication for each byte of them.
/// The checksum depends on the bytes alone, however they are cut.
public struct ContentChecksum: Sendable {
  private var hash: UInt64 = 0x9ae1_6a3b_2f90_404f
  /// Bytes that do not fill a word yet, the first in the lowest place.
  private var pending: UInt64 = 0
  private var pendingCount: UInt64 = 0
  private var length: UInt64 = 0

  /// The checksum of no bytes.
  public init() {}

  /// Adds bytes; how they are cut into pieces changes nothing.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var start = 0
    length &+= UInt64(bytes.count)
    while pendingCount > 0 && start < bytes.count {
      addPending(bytes[start])
      start += 1
    }
    var hash = hash
    while start + 8 <= bytes.count {
      let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
      hash = Self.folded(hash, word)
      start += 8
    }
    self.hash = hash
    while start < bytes.count {
      addPending(bytes[start])
      start += 1
    }
  }

  /// Adds bytes; how they are cut into pieces changes nothing.
  public mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }

  /// Adds a text and its length, so that texts that follow each other are told apart.
  public mutating func add(_ text: String) {
    let bytes = Array(text.utf8)
    add(bytes)
    withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { add($0) }
  }

  private mutating func addPending(_ byte: UInt8) {
    pending |= UInt64(byte) << (8 * pendingCount)
    pendingCount += 1
    guard pendingCount == 8 else { return }
    hash = Self.folded(hash, pending)
    (pending, pendingCount) = (0, 0)
  }

  private static func folded(_ hash: UInt64, _ word: UInt64) -> UInt64 {
    let product = (hash ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
    return product.high ^ product.low ^ 0x94d0_49bb_1331_11eb
  }

  /// The checksum of what was added so far, with its length.
  public var value: UInt64 {
    var hash = Self.folded(hash, pending)
    hash = Self.folded(hash, length)
    return hash ^ hash >> 32
  }

  /// In hexadecimal digits.
  public var text: String { String(value, radix: 16) }
}
