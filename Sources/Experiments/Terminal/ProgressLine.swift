// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// How far something is, in one line.
package struct ProgressLine: Sendable {
  package var title: String
  /// What is counted.
  package var unit = "step"
  package var done = 0
  /// nil where nobody knows how many there will be.
  package var total: Int?
  /// As `loss 0.41`; empty where there is none.
  package var loss = ""
  /// As `0.012 s a step`; empty where it is not known.
  package var speed = ""
  /// Since this work began.
  package var seconds = 0.0
  /// nil where nobody can know.
  package var secondsLeft: Double?

  package init(title: String, total: Int? = nil) { (self.title, self.total) = (title, total) }

  private var count: String { total.map { "\(done)/\($0)" } ?? "\(done) \(unit)s" }
  private var time: String {
    secondsLeft.map { "\(Self.text(ofSeconds: $0)) left" } ?? (total == nil ? Self.text(ofSeconds: seconds) : "")
  }
  private var share: Double? {
    total.flatMap { $0 > 0 ? min(1, max(0, Double(done) / Double($0))) : nil }
  }

  /// For a log: a line of its own, without the line's end.
  package var plain: String {
    let counted = total == nil ? count : "\(unit) \(count)"
    return "\(title): " + [counted, loss, time].filter { !$0.isEmpty }.joined(separator: ", ")
  }

  /// For a terminal, within `columns` columns. What does not fit is left out: the speed first, then the bar, the share,
  /// the title's end, the loss, the time and the title; the count stays.
  package func text(columns: Int, isUnicode: Bool) -> String {
    func width(_ texts: [String]) -> Int {
      let shown = texts.filter { !$0.isEmpty }
      return shown.reduce(0) { $0 + $1.displayWidth } + 2 * max(0, shown.count - 1)
    }
    let smallestTitle = String(title.prefix(5))
    var (time, loss, title) = (self.time, self.loss, self.title)
    if width([smallestTitle, count, time]) > columns { time = "" }
    if width([smallestTitle, count, loss, time]) > columns { loss = "" }
    let room = columns - width([count, loss, time]) - 2
    title = room >= smallestTitle.displayWidth ? title.cut(to: room, isUnicode: isUnicode) : ""
    var (bar, percent, speed) = ("", share.map { "\(Int($0 * 100)) %" } ?? "", self.speed)
    if title != self.title || width([title, percent, count, loss, time]) > columns { percent = "" }
    let smallestBar = 8
    if let share, !percent.isEmpty {
      if width([title, percent, count, loss, speed, time]) + 2 + smallestBar > columns { speed = "" }
      let length = min(30, columns - width([title, percent, count, loss, speed, time]) - 2)
      if length >= smallestBar {
        let full = Int(share * Double(length))
        bar =
          String(repeating: isUnicode ? "█" : "#", count: full)
          + String(repeating: isUnicode ? "░" : ".", count: length - full)
      }
    } else {
      speed = ""
    }
    return [title, bar, percent, count, loss, speed, time].filter { !$0.isEmpty }.joined(separator: "  ")
      .cut(to: columns, isUnicode: isUnicode)
  }

  /// A time for people: `40 s`, `12 min`, `3.5 h`, `4.2 days`.
  package static func text(ofSeconds seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0 else { return "?" }
    if seconds < 100 { return "\(Int(seconds.rounded())) s" }
    if seconds < 6000 { return "\(Int((seconds / 60).rounded())) min" }
    if seconds < 48 * 3600 { return String(format: "%.1f h", seconds / 3600) }
    return String(format: "%.1f days", seconds / 86400)
  }
}
