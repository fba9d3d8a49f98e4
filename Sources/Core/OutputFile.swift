// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// A file that is being written by the system's own calls, which may take fewer bytes than they are given, and may be
/// interrupted: both are gone on from.
final class OutputFile {
  private static let bufferSize = 1 << 16
  private var descriptor: Int32
  /// The path that complaints name.
  private let path: String
  /// Small pieces, until there are enough for a call.
  private var buffer: [UInt8] = []

  /// - Parameters:
  ///   - file: what is opened, for this program alone as far as `flock` reaches.
  ///   - path: the name in complaints.
  ///   - flags: of `open`, besides `O_WRONLY`.
  init(_ file: String, as path: String, flags: Int32) throws {
    self.path = path
    descriptor = System.retry { open(file, O_WRONLY | O_CLOEXEC | flags, 0o666) }
    guard descriptor >= 0 else { throw WriteError(path) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Tells other programs that somebody is writing, as far as the file system can.
  func lock() { _ = System.retry { flock(descriptor, LOCK_EX | LOCK_NB) } }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    if buffer.count + bytes.count <= Self.bufferSize {
      buffer.append(contentsOf: bytes)
      return
    }
    try flush()
    try hand(bytes)
  }

  private func flush() throws {
    try buffer.withUnsafeBytes { try hand($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  private func hand(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let count = System.retry { Glibc.write(descriptor, part.baseAddress!, part.count) }
      guard count >= 0 else { throw WriteError(path) }
      guard count > 0 else { throw WriteError(path: path, reason: "the system takes no more bytes") }
      rest = rest.dropFirst(count)
    }
  }

  /// Brings the bytes to the file, and to the disk where that is wanted.
  func finish(syncs: Bool) throws {
    try flush()
    guard !syncs || System.retry({ fsync(descriptor) }) == 0 else { throw WriteError(path) }
    let number = descriptor
    descriptor = -1
    // An interrupted close has closed the file.
    guard close(number) == 0 || errno == EINTR else { throw WriteError(path) }
  }
}

/// What is common to calls of the system.
enum System {
  /// Makes a call again that a signal interrupted.
  static func retry<Number: SignedInteger>(_ call: () -> Number) -> Number {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }

  /// The folder that a path lies in.
  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The names in a folder, without `.` and `..`; none where it cannot be read.
  static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

extension WriteError {
  /// With the words for the system's last error.
  init(_ path: String) { self.init(path: path, reason: String(cString: strerror(errno))) }
}
