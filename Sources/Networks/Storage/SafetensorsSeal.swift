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
  /// - Parameters:
  ///   - bytes: the whole file, which is read piece by piece.
  ///   - header: its header's text.
  ///   - metadata: what the header says.
  /// - Throws: `InputError` where the two differ.
  static func check(_ bytes: SafetensorsBytes, header: [UInt8], metadata: [String: String]) throws {
    guard let seal = metadata[key] else { return }
    guard let place = digits(in: Data(header)) else { throw mismatch }
    var checksum = ByteChecksum()
    let (low, high) = (8 + place.lowerBound, 8 + place.upperBound)
    try add(0..<low, of: bytes, to: &checksum)
    Array(blank.utf8).withUnsafeBytes { checksum.add($0) }
    try add(high..<bytes.count, of: bytes, to: &checksum)
    guard checksum.text == seal else { throw mismatch }
  }

  private static func add(_ range: Range<Int>, of bytes: SafetensorsBytes, to checksum: inout ByteChecksum) throws {
    var piece = [UInt8](repeating: 0, count: min(range.count, 1 << 20))
    var place = range.lowerBound
    while place < range.upperBound {
      let count = min(piece.count, range.upperBound - place)
      try piece.withUnsafeMutableBytes { buffer in
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        try bytes.read(from: place, into: part)
        checksum.add(UnsafeRawBufferPointer(part))
      }
      place += count
    }
  }

  private static var mismatch: InputError {
    InputError("its bytes do not have the checksum that was written with them: damaged, or changed by another program")
  }
}

extension Safetensors {
  /// Whether the file had a checksum, which was then right.
  public var isSealed: Bool { metadata[SafetensorsSeal.key] != nil }
}
