// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Synchronization

/// How far a long computation is, on standard error: on a terminal one line that is rewritten at most ten times a
/// second and fits the window; elsewhere a line of its own every half minute.
final class ProgressBar: ProgressObserver {
  private enum Place { case nowhere, terminal, log }

  /// When the next line goes to a log: all bars of a program share it, so that ten short computations one after the
  /// other tell as much as a long one.
  private struct Schedule {
    var next: ContinuousClock.Instant?
    /// When a bar was last heard of.
    var last: ContinuousClock.Instant?
  }

  private static let schedule = Mutex(Schedule())
  /// Between two lines of a log.
  private static let pause = Duration.seconds(30)
  /// Before the first one: soon enough to see that something happens, too late for what is over at once.
  private static let firstPause = Duration.seconds(5)

  private let place: Place
  /// How many units one of the total is made of.
  private let parts: Int
  /// What was done before this program began.
  private let before: Int
  private let done = Atomic<Int>(0)
  private let start = ContinuousClock().now
  private let line: Mutex<ProgressLine>
  private let last: Mutex<ContinuousClock.Instant>

  /// - Parameters:
  ///   - title: what is done to what.
  ///   - total: how many units there are; nil where nobody knows.
  ///   - parts: how many calls of `advance` make one unit.
  ///   - before: how many units were done earlier.
  ///   - unit: what is counted, in the singular.
  ///   - quiet: nothing is shown.
  init(_ title: String, total: Int?, parts: Int = 1, before: Int = 0, unit: String = "step", quiet: Bool) {
    self.parts = max(1, parts)
    self.before = before
    var first = ProgressLine(title: title, total: total)
    first.unit = unit
    line = Mutex(first)
    last = Mutex(start)
    place = quiet ? .nowhere : Terminal.isTerminal(STDERR_FILENO) ? .terminal : .log
    guard place == .log else { return }
    let now = start
    Self.schedule.withLock { schedule in
      // A program that had nothing to tell for long begins anew.
      if schedule.last.map({ $0.duration(to: now) > Self.pause }) ?? true { schedule.next = now + Self.firstPause }
      schedule.last = now
    }
  }

  func advance(by units: Int) {
    guard place != .nowhere else { return }
    let count = done.add(units, ordering: .relaxed).newValue
    guard isDue(tries: true) else { return }
    draw { $0.done = count / self.parts }
  }

  /// Says how far a computation is that counts by itself.
  /// - Parameters:
  ///   - count: the units done, with those from before.
  ///   - loss: as `loss 0.41`.
  ///   - speed: as `0.01 s a step`.
  func show(_ count: Int, loss: @autoclosure () -> String, speed: @autoclosure () -> String) {
    guard place != .nowhere, isDue(tries: false) else { return }
    let (loss, speed) = (loss(), speed())
    draw { ($0.done, $0.loss, $0.speed) = (count, loss, speed) }
  }

  private func isDue(tries: Bool) -> Bool {
    let now = ContinuousClock().now
    func take(_ last: inout ContinuousClock.Instant) -> Bool {
      guard last.duration(to: now) > .milliseconds(100) else { return false }
      last = now
      return true
    }
    // Workers do not wait for each other to draw.
    return tries ? last.withLockIfAvailable { take(&$0) } ?? false : last.withLock { take(&$0) }
  }

  private func draw(_ change: (inout ProgressLine) -> Void) {
    let elapsed = start.duration(to: ContinuousClock().now).seconds
    line.withLock { line in
      change(&line)
      line.seconds = elapsed
      if let total = line.total {
        let taken = Double(line.done - before)
        line.secondsLeft = taken > 0 ? elapsed / taken * Double(max(0, total - line.done)) : nil
      }
      switch place {
      case .nowhere: break
      case .terminal:
        let window = Terminal.behind(STDERR_FILENO)
        // A full last column makes some terminals go on to the next line.
        let text = line.text(columns: max(1, window.columns - 1), isUnicode: window.isUnicode)
        StandardStreams.report("\r\u{1B}[K\(text)")
      case .log:
        if Self.isLineDue() { StandardStreams.report("score-sde: \(line.plain)\n") }
      }
    }
  }

  private static func isLineDue() -> Bool {
    let now = ContinuousClock().now
    return schedule.withLock { schedule in
      schedule.last = now
      guard let next = schedule.next, now >= next else { return false }
      schedule.next = now + pause
      return true
    }
  }

  /// Clears the line.
  func finish() {
    if place == .terminal { StandardStreams.report("\r\u{1B}[K") }
  }
}
