// SPDX-License-Identifier: GPL-3.0-or-later

extension StringProtocol {
  /// How many columns of a terminal the text takes: 2 for wide characters of East Asia and pictures, 0 for combining
  /// ones, 1 for the others (Unicode Standard Annex 11). Control characters are counted as 1.
  package var displayWidth: Int { reduce(0) { $0 + $1.displayWidth } }
}

extension String {
  /// The text, cut where it takes more columns than that; a cut one ends with `…`, or `~` without Unicode.
  package func cut(to columns: Int, isUnicode: Bool = true) -> String {
    if displayWidth <= columns { return self }
    guard columns > 0 else { return "" }
    var (text, width) = ("", 0)
    for character in self {
      if width + character.displayWidth > columns - 1 { break }
      text.append(character)
      width += character.displayWidth
    }
    return text + (isUnicode ? "…" : "~")
  }

  /// With blanks behind it, up to so many columns.
  package func padded(to columns: Int) -> String {
    self + String(repeating: " ", count: max(0, columns - displayWidth))
  }

  /// Broken at blanks into lines of up to `columns` columns, a longer word within itself.
  package func wrapped(at columns: Int) -> [String] {
    var (lines, line, width) = ([String](), "", 0)
    func room(_ more: Int) -> Bool { line.isEmpty ? more <= columns : width + 1 + more <= columns }
    for word in split(separator: " ") {
      var rest = String(word)
      while !room(rest.displayWidth) {
        if !line.isEmpty {
          lines.append(line)
          (line, width) = ("", 0)
          continue
        }
        var (part, taken) = ("", 0)
        for character in rest {
          if !part.isEmpty && taken + character.displayWidth > columns { break }
          part.append(character)
          taken += character.displayWidth
        }
        lines.append(part)
        rest.removeFirst(part.count)
      }
      if rest.isEmpty { continue }
      line += (line.isEmpty ? "" : " ") + rest
      width = line.displayWidth
    }
    if !line.isEmpty || lines.isEmpty { lines.append(line) }
    return lines
  }
}

extension Character {
  /// The columns of its widest scalar.
  fileprivate var displayWidth: Int { isASCII ? 1 : unicodeScalars.reduce(0) { max($0, $1.displayWidth) } }
}

extension Unicode.Scalar {
  fileprivate var displayWidth: Int {
    switch properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: break
    }
    // The blocks that are wide or full-width as a whole, and emoji.
    let wide: [ClosedRange<UInt32>] = [
      0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
      0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF,
      0x20000...0x3FFFD,
    ]
    return wide.contains { $0.contains(value) } ? 2 : 1
  }
}
