// SPDX-License-Identifier: GPL-3.0-or-later

/// Columns of text for the terminal: the first flush left and the others flush right. A last column of prose is flush
/// left, too.
struct TextTable {
  let text: String

  /// - Parameters:
  ///   - endsInProse: whether the last column is flush left.
  ///   - flushLeft: how many of the first columns are.
  init(_ lines: [[String]], endsInProse: Bool = false, isFlushLeft flushLeft: Int = 1) {
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    let whole = lines.map { line in
      line.enumerated().map { column, text in
        let space = String(repeating: " ", count: widths[column] - text.count)
        if endsInProse && column == line.count - 1 { return text }
        return column < flushLeft ? text + space : space + text
      }.joined(separator: "  ")
    }
    // What is flush right may end with a blank for a mark.
    text = whole.map { line in
      String(line[..<(line.lastIndex { $0 != " " }.map(line.index(after:)) ?? line.startIndex)])
    }
    .joined(separator: "\n")
  }
}
