// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Synchronization

/// A file could not be written: a full disk, a missing permission. What was finished before is kept.
public struct WriteError: Error, CustomStringConvertible, Sendable, Equatable {
  public let path: String
  /// The system's own words.
  public let reason: String

  public init(path: String, reason: String) {
    self.path = path
    self.reason = reason
  }

  public var description: String { "\(path): cannot be written (\(reason))" }
}

/// Files that are there as a whole or not at all: they are written under a temporary name beside their own, brought to
/// the disk, and renamed.
///
/// A device or a pipe is written as it is, as its name must stay.
public enum AtomicFile {
  /// The temporary files that are being written now.
  private static let unfinished = Mutex<Set<String>>([])
  private static let counter = Atomic<Int>(0)

  /// Writes the pieces that `body` hands over, one after the other.
  /// - Throws: `WriteError`, or what `body` throws; the path is then what it was before.
  public static func write(
    to path: String, _ body: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    if isSpecial(path) { return try fill(path, as: path, syncs: false, body) }
    let number = counter.add(1, ordering: .relaxed).newValue
    let temporary = "\(path).\(getpid()).\(number).part"
    unfinished.withLock { _ = $0.insert(temporary) }
    defer { unfinished.withLock { _ = $0.remove(temporary) } }
    do {
      try fill(temporary, as: path, syncs: true, body)
      guard rename(temporary, path) == 0 else { throw failure(path) }
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// Writes some bytes.
  /// - Throws: `WriteError`; the path is then what it was before.
  public static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    try write(to: path) { try $0(bytes) }
  }

  /// Ends the program at once, without the temporary files that are being written. Nobody begins another one meanwhile.
  package static func endProgram(code: Int32) -> Never {
    unfinished.withLock { names -> Never in
      for name in names { unlink(name) }
      _exit(code)
    }
  }

  /// Writes `file`; complaints name `path`.
  private static func fill(
    _ file: String, as path: String, syncs: Bool,
    _ body: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    guard let stream = fopen(file, "wb") else { throw failure(path) }
    var isOpen = true
    defer { if isOpen { fclose(stream) } }
    try body { bytes in
      guard bytes.count == 0 || fwrite(bytes.baseAddress, 1, bytes.count, stream) == bytes.count else {
        throw failure(path)
      }
    }
    guard fflush(stream) == 0, !syncs || fsync(fileno(stream)) == 0 else { throw failure(path) }
    isOpen = false
    guard fclose(stream) == 0 else { throw failure(path) }
  }

  private static func failure(_ path: String) -> WriteError {
    WriteError(path: path, reason: String(cString: strerror(errno)))
  }

  /// Whether the path names something that is neither a file nor missing.
  private static func isSpecial(_ path: String) -> Bool {
    var status = stat()
    guard stat(path, &status) == 0 else { return false }
    return status.st_mode & S_IFMT != S_IFREG && status.st_mode & S_IFMT != S_IFDIR
  }
}
