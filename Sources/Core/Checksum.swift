// SPDX-License-Identifier: GPL-3.0-or-later

/// FNV-1a, 64 bits (Fowler, Noll and Vo): tells changed bytes from equal ones. It does not withstand forgery.
public struct Checksum: Sendable {
  private var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  /// The checksum of nothing: FNV's offset basis.
  public init() {}

  /// Adds bytes one after the other: h ← p (h ⊕ byte), with p = 2⁴⁰ + 435.
  public mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }

  /// Adds a value as one step of the hash, not byte by byte.
  public mutating func add(word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }

  /// In hexadecimal digits, without leading zeros.
  public var text: String { String(hash, radix: 16) }

  /// The checksum of a text's UTF-8 bytes.
  public static func text(of text: String) -> String {
    var checksum = Checksum()
    checksum.add(text.utf8)
    return checksum.text
  }
}
