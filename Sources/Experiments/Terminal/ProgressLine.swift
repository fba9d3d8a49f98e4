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
    let percent = share.map { "\(Int($0 * 100)) %" } ?? ""
    // In the order of the line, with the rank by which they are taken.
    var parts = [(title, 2), (percent, 5), (count, 1), (loss, 4), (speed, 7), (time, 3)]
    var kept = Set<Int>()
    func width(_ ranks: Set<Int>) -> Int {
      let texts = parts.filter { ranks.contains($0.1) && !$0.0.isEmpty }.map(\.0)
      return texts.reduce(0) { $0 + $1.displayWidth } + 2 * max(0, texts.count - 1)
    }
    let smallestBar = 8
    for rank in 1...5 where width(kept.union([rank])) <= columns { kept.insert(rank) }
    // The end of a title says less than the loss does.
    let room = columns - width([1, 3, 4]) - 2
    if !loss.isEmpty, !kept.contains(4), kept.isSuperset(of: [1, 2, 3]), room >= 5 {
      parts[0].0 = title.cut(to: room, isUnicode: isUnicode)
      kept.insert(4)
    }
    var bar = ""
    if let share, kept.contains(5) {
      let room = columns - width(kept) - 2
      let withSpeed = columns - width(kept.union([7])) - 2
      let length = min(30, withSpeed >= smallestBar ? withSpeed : room)
      if withSpeed >= smallestBar { kept.insert(7) }
      if length >= smallestBar {
        let full = Int(share * Double(length))
        bar =
          String(repeating: isUnicode ? "█" : "#", count: full)
          + String(repeating: isUnicode ? "░" : ".", count: length - full)
      }
    }
    var texts: [String] = []
    for (text, rank) in parts {
      if rank == 5 && !bar.isEmpty { texts.append(bar) }
      if kept.contains(rank) && !text.isEmpty { texts.append(text) }
    }
    return texts.joined(separator: "  ").cut(to: columns, isUnicode: isUnicode)
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
