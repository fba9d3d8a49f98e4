// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Synchronization

/// A file could not be written: a full disk, a missing permission. What was finished before is kept.
public struct WriteError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file that could not be written.
  public let path: String
  /// The system's own words.
  public let reason: String

  /// An error with the system's own words.
  public init(path: String, reason: String) {
    self.path = path
    self.reason = reason
  }

  public var description: String { "\(path): cannot be written (\(reason))" }
}

/// Files that are there as a whole or not at all: they are written under a temporary name beside their own, brought to
/// the disk, and renamed; then their folder is brought to the disk, too.
///
/// A link that has the file's name is replaced, never followed. A device or a pipe is written as it is, as its name
/// must stay.
public enum AtomicFile {
  /// The temporary files that are being written now.
  private static let unfinished = Mutex<Set<String>>([])
  private static let counter = Atomic<Int>(0)
  private static let isLeft = Atomic<Bool>(false)

  /// From now on nothing is written here: somebody else writes the same.
  public static func leaveToOthers() { isLeft.store(true, ordering: .relaxed) }

  /// Writes the pieces that `body` hands over, one after the other.
  /// - Throws: `WriteError`, or what `body` throws; the path is then what it was before.
  public static func write(
    to path: String, _ body: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    if isLeft.load(ordering: .relaxed) { return }
    if isSpecial(path) {
      let file = try OutputFile(path, as: path, flags: O_CREAT | O_TRUNC)
      try body { try file.write($0) }
      return try file.finish(syncs: false)
    }
    try replace(path) { temporary in
      let file = try OutputFile(temporary, as: path, flags: O_CREAT | O_EXCL | O_NOFOLLOW)
      file.lock()
      try body { try file.write($0) }
      try file.finish(syncs: true)
    }
  }

  /// Writes some bytes.
  /// - Throws: `WriteError`; the path is then what it was before.
  public static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    try write(to: path) { try $0(bytes) }
  }

  /// Gives a file another name, which takes the place of whatever had it: as a hard link, or as a copy where there can
  /// be none.
  /// - Throws: `WriteError`; the other name is then what it was before.
  public static func link(_ path: String, to other: String) throws {
    if isLeft.load(ordering: .relaxed) { return }
    var (mine, theirs) = (stat(), stat())
    if stat(path, &mine) == 0, lstat(other, &theirs) == 0, mine.st_ino == theirs.st_ino, mine.st_dev == theirs.st_dev {
      return
    }
    do {
      try replace(other) { temporary in
        guard linkat(AT_FDCWD, path, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0 else { throw WriteError(other) }
      }
    } catch is WriteError {
      try copy(path, to: other)
    }
  }

  private static func copy(_ path: String, to other: String) throws {
    let source = System.retry { open(path, O_RDONLY | O_CLOEXEC) }
    guard source >= 0 else { throw WriteError(path: other, reason: "\(path) cannot be read") }
    defer { close(source) }
    try write(to: other) { write in
      try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { buffer in
        while true {
          let count = System.retry { read(source, buffer.baseAddress!, buffer.count) }
          guard count >= 0 else { throw WriteError(path: other, reason: "\(path) cannot be read") }
          if count == 0 { return }
          try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
      }
    }
  }

  /// Lets `make` make a temporary file, and renames it.
  private static func replace(_ path: String, by make: (_ temporary: String) throws -> Void) throws {
    let number = counter.add(1, ordering: .relaxed).newValue
    let temporary = "\(path).score-sde.\(getpid()).\(number).part"
    unfinished.withLock { _ = $0.insert(temporary) }
    defer { unfinished.withLock { _ = $0.remove(temporary) } }
    // That of a program that had this number before.
    unlink(temporary)
    do {
      try make(temporary)
      guard System.retry({ rename(temporary, path) }) == 0 else { throw WriteError(path) }
    } catch {
      unlink(temporary)
      throw error
    }
    try sync(folder: System.folder(of: path), as: path)
  }

  /// Brings a folder's names to the disk.
  private static func sync(folder: String, as path: String) throws {
    let descriptor = System.retry { open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard descriptor >= 0 else {
      // A folder that may be written and not read.
      if errno == EACCES { return }
      throw WriteError(path)
    }
    defer { close(descriptor) }
    guard System.retry({ fsync(descriptor) }) == 0 else {
      // File systems that have no such thing.
      if [EINVAL, ENOTSUP, EROFS].contains(errno) { return }
      throw WriteError(path)
    }
  }

  /// Removes the temporary files that programs left in a folder which ended while they wrote: killed, or with the
  /// machine. Those of programs that live are left.
  public static func removeLeftovers(in folder: String) {
    if isLeft.load(ordering: .relaxed) { return }
    for name in System.names(in: folder) where name.hasSuffix(".part") {
      let parts = name.split(separator: ".", omittingEmptySubsequences: false).suffix(4)
      guard parts.count == 4, parts.first == "score-sde", let number = pid_t(parts[parts.endIndex - 3]), number > 0
      else { continue }
      let path = "\(folder)/\(name)"
      if isLeftover(path, of: number) { unlink(path) }
    }
  }

  private static func isLeftover(_ path: String, of process: pid_t) -> Bool {
    if process == getpid() && unfinished.withLock({ $0.contains(path) }) { return false }
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
    // A number may belong to another program by now, or to one in another container. Who writes a file holds its lock
    // soon after it is there.
    let isDead = kill(process, 0) != 0 && errno == ESRCH
    guard isDead || process == getpid() || time(nil) - status.st_mtim.tv_sec > 60 else { return false }
    return flock(descriptor, LOCK_EX | LOCK_NB) == 0
  }

  /// Removes the temporary files that are being written, before something else ends the program at once.
  package static func removeUnfinished() {
    unfinished.withLock { names in for name in names { unlink(name) } }
  }

  /// Ends the program at once, without the temporary files that are being written. Nobody begins another one meanwhile.
  package static func endProgram(code: Int32) -> Never {
    unfinished.withLock { names -> Never in
      for name in names { unlink(name) }
      _exit(code)
    }
  }

  /// Whether the path names something that is neither a file nor a folder nor missing. What `/dev` and `/proc` name are
  /// streams that are open, though they may lead to a file.
  private static func isSpecial(_ path: String) -> Bool {
    if path.hasPrefix("/dev/") && !path.hasPrefix("/dev/shm/") || path.hasPrefix("/proc/") { return true }
    var status = stat()
    guard lstat(path, &status) == 0 else { return false }
    return ![S_IFREG, S_IFDIR, S_IFLNK].contains(status.st_mode & S_IFMT)
  }
}
