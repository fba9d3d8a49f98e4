// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

// Numbers, texts, paths and names.
extension Options {
  /// A finite number.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for; nil: the option is required.
  ///   - example: the value of a required option while options are only listed.
  ///   - range: which numbers are allowed.
  ///   - about: what the option means, for the listing and the docs.
  /// - Throws: `InputError` with the place of a value that is no number or not allowed.
  public func number(
    _ key: String, default defaultValue: Double? = nil, example: Double = 1, in range: NumberRange = .any,
    _ about: String
  ) throws -> Double {
    declare(key, "number", defaultValue.map(written), range.text, about)
    guard let text = try scalar(key, "a number", required: defaultValue == nil) else {
      if let defaultValue, !isDescribing, !range.contains(defaultValue) {
        throw wrong(key, "is \(written(defaultValue)) by default; allowed: \(range.text)")
      }
      return keep(key, defaultValue ?? example)
    }
    guard let value = Spelling.number(text) else { throw noNumber(key, text, range.text) }
    guard range.contains(value) else { throw wrong(key, "is \(text); allowed: \(range.text)") }
    return keep(key, value)
  }

  private func noNumber(_ key: String, _ text: String, _ allowed: String) -> InputError {
    let text = ConfigTree.oneLine(text)
    return wrong(key, (Spelling.complaint(text) ?? "'\(text)' is not a finite number") + "; allowed: \(allowed)")
  }

  /// A number, or by default a word that says where it comes from instead: nil.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - word: the default, which may be written too.
  ///   - range: which numbers are allowed.
  ///   - about: what the option means, for the listing and the docs.
  public func number(_ key: String, or word: String, in range: NumberRange = .any, _ about: String) throws -> Double? {
    let allowed = "\(range.text), or \(word)"
    declare(key, "number", word, allowed, about)
    guard let text = try scalar(key, "a number", required: false, plainOnly: false), text != word else {
      resolved.append((key, .scalar(word)))
      return nil
    }
    guard let value = Spelling.number(text) else { throw noNumber(key, text, allowed) }
    guard range.contains(value) else { throw wrong(key, "is \(text); allowed: \(allowed)") }
    return keep(key, value)
  }

  /// A whole number.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for; nil: the option is required.
  ///   - example: the value of a required option while options are only listed.
  ///   - low: the smallest number allowed.
  ///   - high: the largest number allowed; nil: 10¹².
  ///   - about: what the option means, for the listing and the docs.
  public func integer(
    _ key: String, default defaultValue: Int? = nil, example: Int = 1, atLeast low: Int, atMost high: Int? = nil,
    _ about: String
  ) throws -> Int {
    let allowed = "a whole number of \(low) or more" + (high.map { ", at most \($0)" } ?? "")
    declare(key, "integer", defaultValue.map(String.init), allowed, about)
    guard let text = try scalar(key, "a whole number", required: defaultValue == nil) else {
      return keep(key, defaultValue ?? example)
    }
    guard let value = Spelling.integer(text) else {
      let text = ConfigTree.oneLine(text)
      if let large = Spelling.number(text), large == large.rounded() {
        throw wrong(
          key, "is \(text); allowed: \(large < 0 || high != nil ? allowed : "\(allowed), at most \(Self.largest)")")
      }
      throw wrong(key, (Spelling.complaint(text) ?? "'\(text)' is not a whole number") + "; allowed: \(allowed)")
    }
    guard value >= low, value <= high ?? Self.largest else {
      throw wrong(
        key, "is \(text); allowed: \(value < low || high != nil ? allowed : "\(allowed), at most \(Self.largest)")")
    }
    return keep(key, value)
  }

  /// The largest whole number that options without a bound of their own take.
  private static let largest = 1_000_000_000_000

  /// True or false.
  public func flag(_ key: String, default defaultValue: Bool, _ about: String) throws -> Bool {
    declare(key, "true or false", String(defaultValue), "true, false", about)
    let text = try scalar(key, "true or false", required: false) ?? String(defaultValue)
    guard let value = Spelling.flag(text) else {
      throw wrong(key, "'\(ConfigTree.oneLine(text))' is neither true nor false; allowed: true, false")
    }
    resolved.append((key, .scalar(String(value))))
    return value
  }

  /// True or false, by default false, where identities of trainings do not name it: for options that came later.
  func rareFlag(_ key: String, _ about: String) throws -> Bool {
    let value = try flag(key, default: false, about)
    if !value { settleAbsent(key) }
    return value
  }

  /// Says of an option that was read that it is not given.
  func settleAbsent(_ key: String) {
    guard let place = resolved.lastIndex(where: { $0.key == key }) else { return }
    resolved[place].value = .absent
  }

  /// A text.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for; nil: the option is required.
  ///   - example: the value of a required option while options are only listed.
  ///   - allowed: what may be written, for people; the caller checks it.
  ///   - about: what the option means, for the listing and the docs.
  public func text(
    _ key: String, default defaultValue: String? = nil, example: String = "", allowed: String = "text", _ about: String
  ) throws -> String {
    declare(key, "text", defaultValue, allowed, about)
    let value = try scalar(key, "text", required: defaultValue == nil, plainOnly: false) ?? defaultValue ?? example
    resolved.append((key, .scalar(Self.quoted(value))))
    return value
  }

  /// A text that may be missing; `null` in the listing.
  public func optionalText(_ key: String, allowed: String = "text", _ about: String) throws -> String? {
    declare(key, "text", "null", allowed, about)
    guard let value = try scalar(key, "text", required: false, plainOnly: false) else { return absent(key) }
    resolved.append((key, .scalar(Self.quoted(value))))
    return value
  }

  /// A path, which is relative to the config's folder.
  /// - Parameters:
  ///   - key: the option's name; it is required.
  ///   - example: the value while options are only listed.
  ///   - allowed: which files may be named, for people; the caller checks it.
  ///   - about: what the option means, for the listing and the docs.
  public func file(
    _ key: String, example: String = "x", allowed: String = "a file", _ about: String
  ) throws -> String {
    declare(key, "text", nil, allowed, about)
    return try keep(file: key, scalar(key, "text", required: true, plainOnly: false) ?? example)
  }

  /// A path that may be missing; `null` in the listing.
  public func optionalFile(_ key: String, allowed: String = "a file", _ about: String) throws -> String? {
    declare(key, "text", "null", allowed, about)
    return try scalar(key, "text", required: false, plainOnly: false).map { try keep(file: key, $0) } ?? absent(key)
  }

  /// A path, or one of some words in its place.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - words: the first stands for a missing option.
  ///   - allowed: which files may be named, for people; the caller checks it.
  ///   - about: what the option means, for the listing and the docs.
  /// - Returns: the word, or the path.
  func file(
    _ key: String, orOneOf words: [String], allowed: String, _ about: String
  ) throws -> (word: String?, path: String?) {
    declare(key, "text", words.first, (words + [allowed]).joined(separator: ", "), about)
    let text = try scalar(key, "text", required: false, plainOnly: false) ?? words[0]
    guard !words.contains(text) else {
      resolved.append((key, .scalar(text)))
      return (text, nil)
    }
    return (nil, try keep(file: key, text))
  }

  private func keep(file key: String, _ path: String) throws -> String {
    // The system ends a path there, and would open another file.
    guard !path.unicodeScalars.contains("\0") else { throw wrong(key, "holds the character of code 0; allowed: none") }
    resolved.append((key, .file(path)))
    return source?.resolve(path, of: join(key)) ?? path
  }

  /// Keeps that an option is not given.
  func absent<Value>(_ key: String) -> Value? {
    resolved.append((key, .absent))
    return nil
  }

  /// One of the words that a type's cases have.
  public func choice<Value: RawRepresentable & CaseIterable>(
    _ key: String, default defaultValue: Value, _ about: String
  ) throws -> Value where Value.RawValue == String {
    let names = Value.allCases.map(\.rawValue)
    declare(key, "one of \(names.joined(separator: ", "))", defaultValue.rawValue, names.joined(separator: ", "), about)
    let text = try scalar(key, "a name", required: false, plainOnly: false) ?? defaultValue.rawValue
    guard let value = Value(rawValue: text) else { throw unknownName(key, text, names) }
    resolved.append((key, .scalar(text)))
    return value
  }

  /// One of a few whole numbers.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for.
  ///   - values: the numbers allowed.
  ///   - about: what the option means, for the listing and the docs.
  public func choice(_ key: String, default defaultValue: Int, among values: [Int], _ about: String) throws -> Int {
    let names = values.map(String.init)
    declare(
      key, "one of \(names.joined(separator: ", "))", String(defaultValue), names.joined(separator: ", "), about)
    let text = try scalar(key, "a number", required: false, plainOnly: false) ?? String(defaultValue)
    guard let value = Spelling.integer(text), values.contains(value) else { throw unknownName(key, text, names) }
    resolved.append((key, .scalar(String(value))))
    return value
  }

  private func keep(_ key: String, _ value: Double) -> Double {
    resolved.append((key, .scalar(written(value))))
    return value
  }

  private func keep(_ key: String, _ value: Int) -> Int {
    resolved.append((key, .scalar(String(value))))
    return value
  }
}
