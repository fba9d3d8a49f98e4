// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The seal of a safetensors file: an entry of its metadata with the checksum of all bytes of the file, in which the
/// checksum's own digits count as zeros. Other readers see one more text.
enum SafetensorsSeal {
  static let key = "score_sde_checksum"
  /// What the digits count as.
  static let blank = String(repeating: "0", count: 16)
  private static let opening = Data("\"\(key)\":\"".utf8)

  /// Where the digits stand in a header; nil where it has no seal.
  static func digits(in header: Data) -> Range<Data.Index>? {
    guard let found = header.range(of: opening) else { return nil }
    let end = found.upperBound + blank.utf8.count
    guard end < header.endIndex, header[end] == UInt8(ascii: "\"") else { return nil }
    return found.upperBound..<end
  }

  /// Compares a file that has a seal with it.
  /// - Throws: `InputError` where the two differ.
  static func check(_ data: Data, header: Data, metadata: [String: String]) throws {
    guard let seal = metadata[key] else { return }
    guard let place = digits(in: header) else { throw mismatch }
    var checksum = ByteChecksum()
    data.withUnsafeBytes { bytes in
      let (low, high) = (place.lowerBound - data.startIndex, place.upperBound - data.startIndex)
      checksum.add(UnsafeRawBufferPointer(rebasing: bytes[..<low]))
      Array(blank.utf8).withUnsafeBytes { checksum.add($0) }
      checksum.add(UnsafeRawBufferPointer(rebasing: bytes[high...]))
    }
    guard checksum.text == seal else { throw mismatch }
  }

  private static var mismatch: InputError {
    InputError("its bytes do not have the checksum that was written with them: damaged, or changed by another program")
  }
}

extension Safetensors {
  /// Whether the file had a checksum, which was then right.
  public var isSealed: Bool { metadata[SafetensorsSeal.key] != nil }
}
