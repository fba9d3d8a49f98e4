// SPDX-License-Identifier: GPL-3.0-or-later

/// The pieces of a normalised text that byte pairs are merged in: CLIP's expression
///
///     <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
///
/// and then GPT-2's, which cuts the first two into three pieces and leaves the others as they are.
enum TextPieces {
  static func forEach(in text: [UInt32], _ body: (Range<Int>) -> Void) {
    var start = 0
    while start < text.count {
      if let name = marker(in: text, at: start) {
        body(start..<start + 2)
        body(start + 2..<start + 2 + name)
        body(start + 2 + name..<start + name + 4)
        start += name + 4
        continue
      }
      if let length = contraction(in: text, at: start) {
        body(start..<start + length)
        start += length
        continue
      }
      let kind = TextClass(text[start])
      var end = start + 1
      if kind == .letter || kind == .other {
        while end < text.count && TextClass(text[end]) == kind { end += 1 }
      }
      if kind != .space { body(start..<end) }
      start = end
    }
  }

  private static let markers: [[UInt32]] = ["<|startoftext|>", "<|endoftext|>"].map { $0.unicodeScalars.map(\.value) }

  /// The length of the name inside <|startoftext|> or <|endoftext|>.
  private static func marker(in text: [UInt32], at start: Int) -> Int? {
    guard text[start] == 0x3c else { return nil }
    return markers.first { text[start...].starts(with: $0) }.map { $0.count - 4 }
  }

  private static let contractions: [[UInt32]] = ["s", "t", "re", "ve", "m", "ll", "d"].map {
    $0.unicodeScalars.map(\.value)
  }

  /// The length of 's, 't, 're, 've, 'm, 'll or 'd.
  private static func contraction(in text: [UInt32], at start: Int) -> Int? {
    guard text[start] == 0x27 else { return nil }
    return contractions.first { text[(start + 1)...].starts(with: $0) }.map { $0.count + 1 }
  }
}
