// SPDX-License-Identifier: GPL-3.0-or-later

/// Columns of text for the terminal: the first flush left and the others flush right. A last column of prose is flush
/// left, too.
struct TextTable {
  let text: String

  init(_ lines: [[String]], endsInProse: Bool = false) {
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    text = lines.map { line in
      line.enumerated().map { column, text in
        let space = String(repeating: " ", count: widths[column] - text.count)
        if endsInProse && column == line.count - 1 { return text }
        return column == 0 ? text + space : space + text
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
