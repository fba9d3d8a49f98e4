// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Synchronization

/// This program, started once more, for work that must not take others down with it.
///
/// Its standard input is a pipe that stays open as long as this process lives, so that it learns of its end, however
/// that comes. It has a process group of its own: Ctrl-C reaches this process alone, which hands the signal on once.
struct ChildProcess {
  /// How it ended.
  enum End: Equatable {
    case code(Int32)
    case signal(Int32)
  }

  private let id: pid_t
  private let input, errors: Int32

  /// Nobody else may be started between the making of a pipe and its mark that keeps it from being inherited.
  private static let spawning = Mutex<Void>(())

  /// - Parameter arguments: what follows the program's name.
  /// - Throws: `WriteError` with the system's words where it cannot be started.
  init(_ arguments: [String]) throws {
    (id, input, errors) = try Self.spawning.withLock { _ in try Self.spawn(arguments) }
  }

  private static func spawn(_ arguments: [String]) throws -> (pid_t, Int32, Int32) {
    func failure(_ code: Int32) -> WriteError {
      WriteError(path: "a process for this run", reason: String(cString: strerror(code)))
    }
    var (into, outOf): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    guard pipe(&into) == 0 else { throw failure(errno) }
    guard pipe(&outOf) == 0 else {
      let code = errno
      for descriptor in into { close(descriptor) }
      throw failure(code)
    }
    for descriptor in into + outOf { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    var (actions, attributes) = (posix_spawn_file_actions_t(), posix_spawnattr_t())
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
      close(into[0])
      close(outOf[1])
    }
    posix_spawn_file_actions_adddup2(&actions, into[0], STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, outOf[1], STDERR_FILENO)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    var strings: [UnsafeMutablePointer<CChar>?] = ([CommandLine.arguments[0]] + arguments).map { strdup($0) } + [nil]
    defer { for string in strings { free(string) } }
    var id = pid_t()
    // The program that runs, even if its file has been replaced meanwhile.
    let code = posix_spawn(&id, "/proc/self/exe", &actions, &attributes, &strings, environ)
    guard code == 0 else {
      close(into[1])
      close(outOf[0])
      throw failure(code)
    }
    return (id, into[1], outOf[0])
  }

  /// Hands over texts, and waits for the end.
  /// - Parameter texts: what it reads, a byte of 0 behind each; none has one within.
  /// - Returns: how it ended, and the last lines that it wrote to standard error.
  func run(with texts: [String]) -> (end: End, lines: [String]) {
    var rest = texts.reduce(into: [UInt8]()) { $0 += Array($1.utf8) + [0] }[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { part in write(input, part.baseAddress!, part.count) }
      if count < 0 && errno != EINTR { break }
      rest = rest.dropFirst(max(0, count))
    }
    var (said, isOver, isTold) = ([UInt8](), false, false)
    var chunk = [UInt8](repeating: 0, count: 4096)
    while !isOver {
      var waiting = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
      if poll(&waiting, 1, 50) > 0 {
        let count = read(errors, &chunk, chunk.count)
        isOver = count == 0 || count < 0 && errno != EINTR
        said += chunk[..<max(0, count)]
        if said.count > 1 << 16 { said.removeFirst(said.count - 1 << 16) }
      }
      if !isTold, let signal = StopSignals.received {
        kill(id, signal)
        isTold = true
      }
    }
    var status: Int32 = 0
    while waitpid(id, &status, 0) < 0 && errno == EINTR {}
    close(input)
    close(errors)
    let signal = status & 0x7f
    let lines = String(decoding: said, as: UTF8.self).split(separator: "\n").map(String.init)
    return (signal == 0 ? .code(status >> 8 & 0xff) : .signal(signal), lines)
  }
}
