// SPDX-License-Identifier: GPL-3.0-or-later

/// How YAML spells numbers, truth and nothing. Where its versions 1.1 and 1.2 read a text differently, it is refused:
/// nobody would know which was meant.
enum Spelling {
  /// true, True, TRUE and false of both versions; yes, no, on and off of 1.1.
  static func flag(_ text: String) -> Bool? {
    if spellings(of: ["true", "yes", "on"]).contains(text) { return true }
    if spellings(of: ["false", "no", "off"]).contains(text) { return false }
    return nil
  }

  private static func spellings(of words: [String]) -> [String] {
    words.flatMap { [$0, $0.prefix(1).uppercased() + $0.dropFirst(), $0.uppercased()] }
  }

  /// Whether a plain text is none for other readers of YAML: a word for truth or nothing.
  static func isWord(_ text: String) -> Bool {
    flag(text) != nil || ["~", "y", "n"].contains(text.lowercased()) || spellings(of: ["null"]).contains(text)
  }

  /// A finite number: `12`, `-0.5`, `.5`, `5.`, `+1`, `1e-3`, `1_000.5`, `0x10`, `0o17`, `0b101`.
  ///
  /// nil for what is no number, for what a double does not hold, and for `017`, which is 15 in YAML 1.1 and 17 in 1.2.
  static func number(_ text: String) -> Double? {
    guard let plain = withoutUnderscores(text) else { return nil }
    if let whole = based(plain) { return Double(exactly: whole) }
    guard plain.allSatisfy({ $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }), !isAmbiguous(plain),
      // "5." is YAML's, and not Swift's.
      let value = Double(
        plain.hasSuffix(".")
          ? String(plain.dropLast())
          : plain.replacing(".e", with: "e")
            .replacing(".E", with: "E")), value.isFinite
    else { return nil }
    // Rounded to nothing.
    let mantissa = plain.prefix { $0 != "e" && $0 != "E" }
    if value == 0 && mantissa.contains(where: { $0.isNumber && $0 != "0" }) { return nil }
    return value + 0
  }

  /// A whole number, also as `1e4`, which people write for counts.
  static func integer(_ text: String) -> Int? {
    guard let plain = withoutUnderscores(text) else { return nil }
    if let whole = based(plain) { return whole }
    if isAmbiguous(plain) { return nil }
    if let value = Int(plain) { return value }
    guard let value = number(plain), value == value.rounded(), abs(value) < 1e15 else { return nil }
    return Int(value)
  }

  /// What is wrong with a text that is no number of a config, in words; nil where it is simply none.
  static func complaint(_ text: String) -> String? {
    if isAmbiguous(text) {
      let digits = text.drop { "+-0".contains($0) }
      return "'\(text)' is octal in YAML 1.1 and decimal in 1.2; write \(digits) or 0o\(digits)"
    }
    return nil
  }

  /// Whether it is a whole number with a 0 in front.
  private static func isAmbiguous(_ text: String) -> Bool {
    let digits = text.first.map { "+-".contains($0) } == true ? text.dropFirst() : text[...]
    return digits.count > 1 && digits.first == "0" && digits.allSatisfy { $0.isASCII && $0.isNumber }
  }

  /// Underscores may stand between digits.
  private static func withoutUnderscores(_ text: String) -> String? {
    guard text.contains("_") else { return text }
    let characters = Array(text)
    let isHexadecimal = text.contains("0x")
    func isDigit(_ i: Int) -> Bool {
      characters.indices.contains(i) && (isHexadecimal ? characters[i].isHexDigit : characters[i].isNumber)
    }
    for i in characters.indices where characters[i] == "_" {
      guard isDigit(i - 1), isDigit(i + 1) else { return nil }
    }
    return text.replacing("_", with: "")
  }

  /// `0x10`, `0o17` and `0b101`, with a sign or without.
  private static func based(_ text: String) -> Int? {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative || text.hasPrefix("+") ? text.dropFirst() : text[...]
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.hasPrefix(prefix) {
      let rest = digits.dropFirst(2)
      guard rest.first?.isHexDigit == true else { return nil }
      return Int(rest, radix: radix).map { isNegative ? -$0 : $0 }
    }
    return nil
  }
}
