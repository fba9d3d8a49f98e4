// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// Somebody else writes there at this moment.
public struct InUseError: Error, CustomStringConvertible, Sendable, Equatable {
  /// What is in use.
  public let path: String
  /// The process that uses it; nil where it does not say.
  public let process: Int?

  /// An error about a path and, where known, the process that uses it.
  public init(path: String, process: Int?) { (self.path, self.process) = (path, process) }

  public var description: String {
    "\(path): another run writes here now" + (process.map { " (process \($0))" } ?? "")
      + "; wait for it, or name another folder"
  }
}

/// A lock that one process at a time can hold: a file with `flock`, which the system takes back when its holder ends,
/// however it ends. The file tells the holder's number in its first line, and what the holder notes in the others.
///
/// On a file system without locks nobody is kept out. Over NFS Linux makes a lock of bytes of the file of it, which
/// keeps out other machines as well.
public final class FileLock {
  /// The lock's file.
  public let path: String
  /// The lines that a holder noted which did not come to its end.
  public private(set) var earlier: [String] = []
  private var descriptor: Int32
  private var end: Int = 0

  /// - Parameters:
  ///   - path: the lock's file.
  ///   - subject: what it stands for, in complaints.
  /// - Throws: `InUseError`; `WriteError` where the file cannot be made.
  public init(_ path: String, of subject: String) throws {
    self.path = path
    while true {
      descriptor = System.retry { open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o666) }
      guard descriptor >= 0 else { throw WriteError(subject) }
      do {
        try Self.take(descriptor, of: subject)
      } catch {
        close(descriptor)
        throw error
      }
      // The holder before may have removed the file meanwhile.
      var (mine, named) = (stat(), stat())
      if fstat(descriptor, &mine) == 0, lstat(path, &named) == 0, mine.st_ino == named.st_ino { break }
      close(descriptor)
    }
    earlier = Array(Self.lines(descriptor).dropFirst())
    do {
      guard System.retry({ ftruncate(descriptor, 0) }) == 0 else { throw WriteError(subject) }
      try note(String(getpid()))
      for line in earlier { try note(line) }
    } catch {
      close(descriptor)
      descriptor = -1
      throw error
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Asks whether somebody holds the lock, and makes nothing.
  /// - Throws: `InUseError`
  public static func check(_ path: String, of subject: String) throws {
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    // NFS gives a descriptor that only reads no other lock than a shared one.
    try take(descriptor, LOCK_SH, of: subject)
  }

  private static func take(_ descriptor: Int32, _ kind: Int32 = LOCK_EX, of subject: String) throws {
    guard System.retry({ flock(descriptor, kind | LOCK_NB) }) != 0, errno == EWOULDBLOCK else { return }
    throw InUseError(path: subject, process: lines(descriptor).first.flatMap { Int($0) })
  }

  private static func lines(_ descriptor: Int32) -> [String] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 1 << 24 {
      let count = System.retry { pread(descriptor, &chunk, chunk.count, bytes.count) }
      if count <= 0 { break }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// Adds a line to the file.
  /// - Throws: `WriteError`
  public func note(_ line: String) throws {
    let bytes = Array((line + "\n").utf8)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { all in
        System.retry { pwrite(descriptor, all.baseAddress! + done, all.count - done, end + done) }
      }
      guard count > 0 else { throw WriteError(path) }
      done += count
    }
    end += done
  }

  /// Gives the lock back, and removes its file with all notes.
  public func release() {
    guard descriptor >= 0 else { return }
    unlink(path)
    close(descriptor)
    descriptor = -1
  }
}
