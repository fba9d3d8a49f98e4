// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// What CLIP's tokenizer does to a text before it cuts it: Unicode's normalisation form C (Unicode 3.11), one blank for
/// every run of white space, lower case code point by code point. Texts are code points here, and time is linear in
/// their number (a run of n combining marks takes n log n).
enum TextNormaliser {
  static func normalise(_ text: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(text.count)
    var wasSpace = false
    for code in composed(text) {
      let isSpace = TextClass(code) == .space
      if isSpace {
        if !wasSpace { result.append(0x20) }
      } else {
        result.append(ck_lower(code))
        // The one code point whose lower case is two.
        if code == 0x130 { result.append(0x307) }
      }
      wasSpace = isSpace
    }
    return result
  }

  /// Normalisation form C.
  static func composed(_ text: [UInt32]) -> [UInt32] {
    // Below U+0300 nothing combines, and nothing decomposes that is not composed again.
    guard let first = text.firstIndex(where: { $0 >= 0x300 }) else { return text }
    // The code point before may combine with it.
    let start = max(0, first - 1)
    var parts: [UInt32] = []
    parts.reserveCapacity(text.count + 8)
    for code in text[start...] { decompose(code, into: &parts) }
    order(&parts)
    return text[..<start] + compose(parts)
  }

  private static func decompose(_ code: UInt32, into parts: inout [UInt32]) {
    if Hangul.syllables.contains(code) {
      let index = code - Hangul.syllables.lowerBound
      parts.append(Hangul.leading.lowerBound + index / 588)
      parts.append(Hangul.vowels.lowerBound + index % 588 / 28)
      if index % 28 != 0 { parts.append(Hangul.trailing.lowerBound - 1 + index % 28) }
      return
    }
    var pair: (UInt32, UInt32) = (0, 0)
    let count = withUnsafeMutableBytes(of: &pair) {
      ck_decomposition(code, $0.assumingMemoryBound(to: UInt32.self).baseAddress!)
    }
    if count == 0 { return parts.append(code) }
    // Only the first of two is ever taken further, a few times at most.
    decompose(pair.0, into: &parts)
    if count == 2 { decompose(pair.1, into: &parts) }
  }

  /// Runs of combining marks in the order of their classes; equal ones stay in theirs.
  private static func order(_ parts: inout [UInt32]) {
    var start = 0
    while start < parts.count {
      guard ck_combining_class(parts[start]) != 0 else {
        start += 1
        continue
      }
      var end = start + 1
      while end < parts.count && ck_combining_class(parts[end]) != 0 { end += 1 }
      if end - start > 1 {
        let run = (start..<end).sorted {
          (ck_combining_class(parts[$0]), $0) < (ck_combining_class(parts[$1]), $1)
        }
        parts.replaceSubrange(start..<end, with: run.map { parts[$0] })
      }
      start = end
    }
  }

  private static func compose(_ parts: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(parts.count)
    var starter: Int?
    // The class of what was appended last.
    var last: Int32 = 0
    for code in parts {
      let mark = ck_combining_class(code)
      if let starter, last < mark || (last == 0 && starter == result.count - 1),
        let both = pair(result[starter], code)
      {
        result[starter] = both
        continue
      }
      if mark == 0 { starter = result.count }
      last = mark
      result.append(code)
    }
    return result
  }

  private static func pair(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if Hangul.leading.contains(first), Hangul.vowels.contains(second) {
      let leading = first - Hangul.leading.lowerBound
      return Hangul.syllables.lowerBound + (leading * 21 + second - Hangul.vowels.lowerBound) * 28
    }
    if Hangul.syllables.contains(first), Hangul.trailing.contains(second),
      (first - Hangul.syllables.lowerBound) % 28 == 0
    {
      return first + second - (Hangul.trailing.lowerBound - 1)
    }
    let both = ck_composition(first, second)
    return both == 0 ? nil : both
  }

  /// Hangul's syllables are composed by a rule (Unicode 3.12).
  private enum Hangul {
    static let syllables: Range<UInt32> = 0xac00..<0xac00 + 11172
    static let leading: Range<UInt32> = 0x1100..<0x1113
    static let vowels: Range<UInt32> = 0x1161..<0x1176
    static let trailing: Range<UInt32> = 0x11a8..<0x11c3
  }
}

/// What CLIP's tokenizer takes a code point for.
enum TextClass: Int32 {
  case other = 0
  case letter = 1
  case number = 2
  case space = 3

  init(_ code: UInt32) {
    self =
      switch code {
      case 0x61...0x7a, 0x41...0x5a: .letter
      case 0x30...0x39: .number
      case 0x20, 0x09...0x0d: .space
      case 0..<0x80: .other
      default: TextClass(rawValue: ck_text_class(code)) ?? .other
      }
  }
}
