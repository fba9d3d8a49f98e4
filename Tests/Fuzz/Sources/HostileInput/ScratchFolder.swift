// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Glibc

/// A folder in memory where there is one, for inputs that are read as files; it goes with its owner.
public final class ScratchFolder: Sendable {
  public let path: String

  public init() throws {
    let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : NSTemporaryDirectory()
    path = base + "score-sde-hostile-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file over what it was, and returns its path.
  public func write(_ bytes: UnsafeRawBufferPointer, to name: String) throws -> String {
    let file = "\(path)/\(name)"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw ScratchError(file) }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
      guard count > 0 else { throw ScratchError(file) }
      written += count
    }
    return file
  }

  public func write(_ text: String, to name: String) throws -> String {
    var text = text
    return try text.withUTF8 { try write(UnsafeRawBufferPointer($0), to: name) }
  }
}

/// The folder of inputs itself failed.
struct ScratchError: Error, CustomStringConvertible {
  let path: String
  init(_ path: String) { self.path = path }
  var description: String { "\(path): the test's own file cannot be written: \(String(cString: strerror(errno)))" }
}
