// SPDX-License-Identifier: GPL-3.0-or-later

/// In which line of a file each row begins. Most rows follow each other line by line: only where they do not, something
/// is held.
struct RowLines: Sendable {
  /// Rows from which on lines follow each other, and the lines of these.
  private var runs: [(row: UInt32, line: UInt32)] = []
  private(set) var count = 0

  /// Adds the next row.
  /// - Parameter line: from 1.
  mutating func append(_ line: Int) {
    if runs.last.map({ Int($0.line) + count - Int($0.row) }) != line {
      runs.append((UInt32(clamping: count), UInt32(clamping: line)))
    }
    count += 1
  }

  subscript(row: Int) -> Int {
    var (low, high) = (0, runs.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if Int(runs[middle].row) <= row { low = middle } else { high = middle }
    }
    return runs.isEmpty ? 1 : Int(runs[low].line) + row - Int(runs[low].row)
  }
}
