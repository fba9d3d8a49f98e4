// SPDX-License-Identifier: GPL-3.0-or-later
import CSystem
import Glibc
import Synchronization

/// The standard streams of a program, which may be closed, full, or a pipe that nobody reads.
public enum StandardStreams {
  /// To be called before a program opens anything. A missing stream would lend its number to the first file that is
  /// opened, and what is printed would land in that file. A pipe without a reader, and a file at its limit, become
  /// errors of the call in place of signals that end the program.
  public static func prepare() {
    for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(number, F_GETFD) < 0 {
      // Opened the wrong way round, so that printing to it fails.
      _ = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// What was last reported where nothing is written; nil: reports are written.
  private static let silent = Mutex<String?>(nil)

  /// From now on reports are not written: somebody else writes the same.
  public static func beSilent() { silent.withLock { $0 = $0 ?? "" } }

  /// What was reported last while nothing was written.
  public static var lastReport: String { silent.withLock { $0 ?? "" } }

  /// Writes to standard error. There is nobody to tell that it cannot be written.
  public static func report(_ text: String) {
    let isSilent = silent.withLock { last in
      if last != nil { last = text }
      return last != nil
    }
    if isSilent { return }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { part in System.retry { write(STDERR_FILENO, part.baseAddress!, part.count) } }
      if count <= 0 { return }
      rest = rest.dropFirst(count)
    }
  }

  /// Brings what was printed to standard output.
  /// - Throws: `WriteError` where some of it was lost.
  public static func finish() throws {
    errno = 0
    guard scoresde_stdout_failed() != 0 else { return }
    // What failed earlier has left no number; that is a pipe's reader who left.
    throw WriteError(path: "standard output", reason: String(cString: strerror(errno == 0 ? EPIPE : errno)))
  }
}
