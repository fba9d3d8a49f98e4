// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Core
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
  private var capacity = 1 << 18
  let file: gzFile
  private var checksum = Checksum()

  /// - Throws: `InputError` for what is no readable file.
  init(_ path: String) throws {
    self.path = path
    var status = stat()
    guard stat(path, &status) == 0 else { throw InputError("no such file", at: path) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw InputError("is a folder, not a file", at: path) }
    guard let file = gzopen(path, "rb") else { throw FileBytes.unreadable(path) }
    gzbuffer(file, 1 << 17)
    self.file = file
    bytes = .allocate(capacity: capacity + 1)
    bytes[0] = 0
  }

  deinit {
    gzclose(file)
    bytes.deallocate()
  }

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
    while end < capacity {
      let count = Int(gzread(file, bytes + end, UInt32(min(capacity - end, 1 << 30))))
      if count < 0 { throw InputError("cannot be read: damaged gzip data", at: path) }
      if count == 0 {
        var code: Int32 = 0
        _ = gzerror(file, &code)
        guard code == Z_OK else { throw InputError("cannot be read: truncated gzip data", at: path) }
        isAtEnd = true
        break
      }
      checksum.add(UnsafeBufferPointer(start: bytes + end, count: count))
      end += count
    }
    bytes[end] = 0
    return kept
  }

  /// Whether the window begins with some bytes.
  func begins(with start: [UInt8]) -> Bool {
    end >= start.count && start.indices.allSatisfy { bytes[$0] == start[$0] }
  }
}
