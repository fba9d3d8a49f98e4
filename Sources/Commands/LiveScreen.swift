// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation

/// A screen of a terminal that is drawn again and again, beside what the terminal shows otherwise. Keys are read
/// without an Enter, and not shown.
final class LiveScreen {
  private var before = termios()
  private let readsKeys: Bool
  private var isOpen = true
  private var last: Terminal?

  init() {
    readsKeys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before) == 0
    if readsKeys {
      var mode = before
      mode.c_lflag &= ~tcflag_t(ICANON | ECHO)
      tcsetattr(STDIN_FILENO, TCSANOW, &mode)
    }
    // The other screen, without a cursor.
    write("\u{1B}[?1049h\u{1B}[?25l")
  }

  deinit { close() }

  /// Brings back what was there before.
  func close() {
    guard isOpen else { return }
    isOpen = false
    write("\u{1B}[?25h\u{1B}[?1049l")
    if readsKeys { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
  }

  /// Draws lines over those that are there.
  /// - Parameter window: for which they are made; of another size than before, it is cleared first.
  func show(_ lines: [String], in window: Terminal) {
    let clears = last.map { $0 != window } ?? true
    last = window
    write(
      (clears ? "\u{1B}[2J" : "") + "\u{1B}[H" + lines.map { "\($0)\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
  }

  /// Waits for a time, or until somebody asks for an end.
  /// - Returns: whether to go on.
  /// - Throws: `ComputationError.stopped` after a signal.
  func wait(_ seconds: Double) throws -> Bool {
    let end = ContinuousClock().now + .seconds(seconds)
    while ContinuousClock().now < end {
      try StopSignals.check()
      guard readsKeys else {
        usleep(50_000)
        continue
      }
      var waited = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      guard poll(&waited, 1, 50) > 0 else { continue }
      var key: UInt8 = 0
      // Ctrl-D, or a terminal that went away, ends it as q does.
      guard read(STDIN_FILENO, &key, 1) > 0, ![UInt8(ascii: "q"), UInt8(ascii: "Q"), 4].contains(key) else {
        return false
      }
    }
    return true
  }

  private func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      rest = rest.dropFirst(count)
    }
  }
}
