// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Core
import Glibc

/// The bytes of files, uncompressed where they are gzipped.
enum FileBytes {
  /// All bytes of a file, or the first `limit`.
  static func contents(of path: String, limit: Int = .max) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try read(path, limit: limit) { bytes += $0 }
    return bytes
  }

  /// How many bytes a file has, counted to `limit` at most.
  static func length(of path: String, limit: Int) throws -> Int {
    var length = 0
    try read(path, limit: limit) { length += $0.count }
    return length
  }

  private static func read(_ path: String, limit: Int, _ body: (ArraySlice<UInt8>) -> Void) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { throw InputError("no such file", at: path) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw InputError("is a folder, not a file", at: path) }
    guard let file = gzopen(path, "rb") else { throw unreadable(path) }
    defer { gzclose(file) }
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var left = limit
    while left > 0 {
      let count = Int(gzread(file, &chunk, UInt32(min(left, chunk.count))))
      if count < 0 { throw InputError("cannot be read: damaged gzip data", at: path) }
      if count == 0 { break }
      body(chunk[..<count])
      left -= count
    }
    // Nothing is known of the end of a file that was not read to its end.
    if left == 0 { return }
    var code: Int32 = 0
    _ = gzerror(file, &code)
    guard code == Z_OK else { throw InputError("cannot be read: truncated gzip data", at: path) }
  }

  /// Size and time of the last change.
  /// - Throws: `InputError` for what is no regular file: pipes and devices have no size.
  static func state(of path: String) throws -> (size: Int, seconds: Int, nanoseconds: Int) {
    var status = stat()
    guard stat(path, &status) == 0 else { throw InputError("no such file", at: path) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw InputError("is a folder, not a file", at: path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw InputError("is not a regular file", at: path) }
    return (Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
  }

  /// Whether a path names a pipe or a device.
  static func isPipe(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
  }

  /// - Throws: `InputError` for what is no folder.
  static func requireFolder(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { throw InputError("no such folder", at: path) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw InputError("is a file, not a folder", at: path) }
  }

  /// What the system said last.
  static func unreadable(_ path: String) -> InputError { InputError(String(cString: strerror(errno)), at: path) }
}
