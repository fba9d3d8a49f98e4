// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Synchronization

/// A bar on standard error, drawn at most ten times a second, and only on a terminal.
final class ProgressBar: ProgressObserver {
  private let title: String
  /// nil where nobody knows how long it will take.
  private let total: Int?
  private let isShown: Bool
  private let done = Atomic<Int>(0)
  private let last = Mutex<ContinuousClock.Instant>(ContinuousClock().now)
  private let start = ContinuousClock().now

  init(_ title: String, total: Int?, quiet: Bool) {
    self.title = title
    self.total = total
    isShown = !quiet && isatty(STDERR_FILENO) == 1
  }

  func advance(by units: Int) {
    guard isShown else { return }
    let count = done.add(units, ordering: .relaxed).newValue
    let now = ContinuousClock().now
    let isDue = last.withLockIfAvailable { last in
      guard last.duration(to: now) > .milliseconds(100) else { return false }
      last = now
      return true
    }
    if isDue == true { draw(count, note: "") }
  }

  /// Draws with a note, as a loss.
  func show(_ count: Int, note: String) {
    guard isShown else { return }
    let now = ContinuousClock().now
    let isDue = last.withLock { last in
      guard last.duration(to: now) > .milliseconds(100) else { return false }
      last = now
      return true
    }
    if isDue { draw(count, note: note) }
  }

  private func draw(_ count: Int, note: String) {
    let elapsed = start.duration(to: ContinuousClock().now).seconds
    var text: String
    if let total, total > 0 {
      let share = min(1, Double(count) / Double(total))
      let bar = String(repeating: "█", count: Int(share * 30)) + String(repeating: "░", count: 30 - Int(share * 30))
      let left = share > 0 ? elapsed / share - elapsed : 0
      text = "\(bar) \(Int(share * 100)) %  \(Int(left)) s left"
    } else {
      text = "\(count) steps  \(Int(elapsed)) s"
    }
    StandardStreams.report("\r\u{1B}[K\(title)  \(text)  \(note)")
  }

  /// Clears the line.
  func finish() {
    if isShown { StandardStreams.report("\r\u{1B}[K") }
  }
}
