// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// A window that moves over the bytes of a file or a pipe, uncompressed where they are gzipped. It holds what is still
/// needed and 256 KiB at least, so that memory follows the longest field and not the file.
final class TextWindow {
  let path: String
  private(set) var bytes: UnsafeMutablePointer<UInt8>
  /// The place behind the last byte that was read. There stands a zero.
  private(set) var end = 0
  /// Whether the file has no more bytes.
  private(set) var isAtEnd = false
  /// How many bytes were read so far.
  private(set) var total = 0
  private var capacity = 1 << 18
  private let file: FileReader
  private var checksum = ContentChecksum()

  /// - Throws: `InputError` for what is no readable file.
  init(_ path: String) throws {
    self.path = path
    file = try FileReader(path, allowsPipes: true)
    bytes = .allocate(capacity: capacity + 1)
    bytes[0] = 0
  }

  deinit { bytes.deallocate() }

  /// Whether the file is not gzipped. Known after the first bytes have been read.
  var isPlain: Bool { !file.isCompressed }

  /// How many bytes the file has on the disk; 0 of a pipe.
  var size: Int { file.size }

  /// What is in the window.
  var held: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: bytes, count: end) }

  /// The checksum of the bytes that were read.
  var fingerprint: String { checksum.text }

  /// Reads more bytes behind the last. Those before `kept` go.
  /// - Returns: by how much the places of all others have sunk.
  /// - Throws: `InputError` for damaged or truncated gzip data.
  func more(keeping kept: Int = 0) throws -> Int {
    let held = end - kept
    if held > capacity / 2 {
      capacity *= 2
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity + 1)
      larger.update(from: bytes + kept, count: held)
      bytes.deallocate()
      bytes = larger
    } else if kept > 0 {
      memmove(bytes, bytes + kept, held)
    }
    end = held
    let free = UnsafeMutableRawBufferPointer(start: bytes + end, count: capacity - end)
    let count = try file.read(into: free)
    isAtEnd = count < free.count
    checksum.add(UnsafeRawBufferPointer(rebasing: free[..<count]))
    end += count
    total += count
    bytes[end] = 0
    return kept
  }

  /// Whether the window begins with some bytes.
  func begins(with start: [UInt8]) -> Bool {
    end >= start.count && start.indices.allSatisfy { bytes[$0] == start[$0] }
  }
}
