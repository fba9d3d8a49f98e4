// SPDX-License-Identifier: GPL-3.0-or-later

/// One option of a config as its reader declares it: the source of `list`, of the docs, and of error texts.
public struct Declaration: Sendable, Equatable {
  /// The name of the option.
  public let key: String
  /// "number", "integer", "text", "one of …", "list of …", "section".
  public let type: String
  /// As it is written in a config; nil where the option must be given.
  public let defaultText: String?
  /// What may be given, in words.
  public let allowed: String
  /// What the option means.
  public let about: String
  /// Options of which exactly one is given, this one among them; empty for an option of its own.
  public internal(set) var alternatives: [String] = []

  init(key: String, type: String, defaultText: String?, allowed: String, about: String) {
    (self.key, self.type, self.defaultText) = (key, type, defaultText)
    (self.allowed, self.about) = (allowed, about)
  }
}

/// The numbers an option allows.
public struct NumberRange: Sendable {
  let text: String
  let contains: @Sendable (Double) -> Bool

  /// Any finite number.
  public static let any = NumberRange(text: "any finite number") { _ in true }
  /// Above 0.
  public static let positive = NumberRange(text: "above 0") { $0 > 0 }
  /// 0 or more.
  public static let nonNegative = NumberRange(text: "0 or more") { $0 >= 0 }
  /// `low` or more.
  public static func atLeast(_ low: Double) -> NumberRange {
    NumberRange(text: "\(written(low)) or more") { $0 >= low }
  }
  /// low < x < high
  public static func between(_ low: Double, _ high: Double) -> NumberRange {
    NumberRange(text: "above \(written(low)) and below \(written(high))") { $0 > low && $0 < high }
  }
  /// low ≤ x ≤ high
  public static func closed(_ low: Double, _ high: Double) -> NumberRange {
    NumberRange(text: "\(written(low)) to \(written(high))") { $0 >= low && $0 <= high }
  }
  /// low ≤ x < high
  public static func from(_ low: Double, below high: Double) -> NumberRange {
    NumberRange(text: "at least \(written(low)) and below \(written(high))") { $0 >= low && $0 < high }
  }
}

/// The shortest decimal that reads back as the same double, with a point, so that every YAML reader takes it for a
/// number.
public func written(_ value: Double) -> String {
  if value == 0 { return "0" }
  if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
  let text = value.description
  guard let e = text.firstIndex(of: "e"), !text.contains(".") else { return text }
  return text[..<e] + ".0" + text[e...]
}
