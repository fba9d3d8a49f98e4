// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// A JSON object in a file, read with clear errors. It knows which of its keys were asked for, so that none is passed
/// over in silence: `finish` refuses the others by name.
package final class JSONFile {
  package let path: String
  /// The whole file.
  package let bytes: Data
  /// What stands before a key in messages, for an object within another.
  private let prefix: String
  private let members: [String: JSONValue]
  /// In the file's order.
  package let keys: [String]
  private var asked: Set<String> = []

  /// How long a config may be, in bytes.
  private static let longest = 1 << 24

  /// - Parameters:
  ///   - path: the file.
  ///   - missing: what to say where there is none.
  package init(_ path: String, missing: String) throws {
    self.path = path
    guard let size = Self.size(path) else { throw InputError(missing, at: path) }
    guard size <= Self.longest else {
      throw InputError("\(size) bytes of JSON; allowed: \(Self.longest)", at: path)
    }
    guard let data = FileManager.default.contents(atPath: path) else { throw InputError("cannot be read", at: path) }
    (bytes, prefix) = (data, "")
    let value: JSONValue
    do {
      value = try JSONValue(decoding: data)
    } catch let error as InputError {
      throw InputError("is not a JSON object: \(error.message)", at: path)
    }
    guard case .object(let members) = value else { throw InputError("is not a JSON object", at: path) }
    self.members = Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) })
    keys = members.map(\.key)
  }

  private init(_ members: [(key: String, value: JSONValue)], in file: JSONFile, at key: String) {
    (path, bytes, prefix) = (file.path, file.bytes, "\(file.prefix)\(key).")
    self.members = Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) })
    keys = members.map(\.key)
  }

  /// An object within this one; nil where there is none, or null.
  func object(_ key: String) throws -> JSONFile? {
    guard has(key), let value = self[key] else { return nil }
    guard case .object(let members) = value else { throw wrong(key, "is not an object: \(value.brief)") }
    return JSONFile(members, in: self, at: key)
  }

  /// The objects of a list; none where the key is missing or null.
  func objects(_ key: String) throws -> [JSONFile] {
    guard has(key), let value = self[key] else { return [] }
    guard case .list(let elements) = value else { throw wrong(key, "is not a list: \(value.brief)") }
    return try elements.enumerated().map { index, element in
      guard case .object(let members) = element else { throw wrong(key, "holds \(element.brief), which is no object") }
      return JSONFile(members, in: self, at: "\(key).\(index)")
    }
  }

  /// A key's value as it stands; nil where it is missing.
  func value(_ key: String) -> JSONValue? { self[key] }

  /// Bytes of a file; nil for what is none.
  private static func size(_ path: String) -> Int? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  package func wrong(_ key: String, _ message: String) -> InputError {
    InputError("'\(prefix)\(key)' \(message)", at: path)
  }

  /// Refuses keys that nobody asked for.
  /// - Parameter allowed: what may be there, for people.
  package func finish(allowed: String) throws {
    if let key = keys.first(where: { !asked.contains($0) }) {
      throw wrong(key, "is \(brief(key)), which is unknown here; allowed: \(allowed)")
    }
  }

  /// Passes over keys whose values have no effect, whatever they are.
  package func pass(_ keys: some Sequence<String>) { asked.formUnion(keys) }

  /// A key's value in short, for messages.
  package func brief(_ key: String) -> String { members[key]?.brief ?? "missing" }

  private subscript(key: String) -> JSONValue? {
    asked.insert(key)
    return members[key]
  }

  package func isNull(_ key: String) -> Bool { if case .null = self[key] { true } else { false } }
  package func has(_ key: String) -> Bool { self[key] != nil && !isNull(key) }

  func isList(_ key: String) -> Bool { if case .list = self[key] { true } else { false } }

  /// Whether the key is there and neither null nor false.
  package func isSet(_ key: String) -> Bool {
    if case .flag(false) = self[key] { false } else { has(key) }
  }

  // A key that is there says what it says: null stands for the default only where diffusers takes it for one, and there
  // callers ask first.

  package func number(_ key: String, default fallback: Double) throws -> Double {
    guard let value = self[key] else { return fallback }
    guard let number = Self.number(value) else { throw wrong(key, "is not a number: \(value.brief)") }
    return number
  }

  private static func number(_ value: JSONValue) -> Double? {
    switch value {
    case .number(.whole(let whole)): Double(whole)
    case .number(.real(let real)) where real.isFinite: real
    default: nil
    }
  }

  package func integer(_ key: String, default fallback: Int) throws -> Int {
    let value = try number(key, default: Double(fallback))
    guard value == value.rounded(), abs(value) < 1e9 else { throw wrong(key, "is \(value), not a whole number") }
    return Int(value)
  }

  package func flag(_ key: String, default fallback: Bool) throws -> Bool {
    guard let value = self[key] else { return fallback }
    guard case .flag(let flag) = value else { throw wrong(key, "is neither true nor false: \(value.brief)") }
    return flag
  }

  package func text(_ key: String, default fallback: String) throws -> String {
    guard let value = self[key] else { return fallback }
    guard case .text(let text) = value else { throw wrong(key, "is not a text: \(value.brief)") }
    return text
  }

  package func choice(_ key: String, default fallback: String, _ allowed: [String]) throws -> String {
    let text = try text(key, default: fallback)
    guard allowed.contains(text) else {
      throw wrong(key, "is '\(text)'; allowed: \(allowed.joined(separator: ", "))")
    }
    return text
  }

  package func texts(_ key: String, default fallback: [String]) throws -> [String] {
    guard let value = self[key] else { return fallback }
    guard let texts = Self.texts(value) else { throw wrong(key, "is not a list of texts") }
    return texts
  }

  private static func texts(_ value: JSONValue) -> [String]? {
    guard case .list(let elements) = value else { return nil }
    let texts = elements.compactMap { if case .text(let text) = $0 { text } else { nil } }
    return texts.count == elements.count ? texts : nil
  }

  package func numbers(_ key: String) throws -> [Double] {
    guard case .list(let elements)? = self[key] else { throw wrong(key, "is not a list of numbers") }
    return try elements.map {
      guard let number = Self.number($0) else { throw wrong(key, "is not a list of numbers: it holds \($0.brief)") }
      return number
    }
  }

  /// A list of whole numbers, or a single one.
  package func integers(_ key: String, default fallback: [Int] = []) throws -> [Int] {
    guard has(key), let value = self[key] else { return fallback }
    var list = [value]
    if case .list(let elements) = value { list = elements }
    return try list.map { element in
      guard let number = Self.number(element), number == number.rounded(), (0...1_000_000).contains(number) else {
        throw wrong(key, "holds something else than whole numbers of 0 to 1000000")
      }
      return Int(number)
    }
  }

  /// A list of `count` flags, or a single one for all.
  func flags(_ key: String, default fallback: Bool, count: Int) throws -> [Bool] {
    guard let value = self[key] else { return Array(repeating: fallback, count: count) }
    var list = Array(repeating: value, count: count)
    if case .list(let elements) = value { list = elements }
    guard list.count == count else { throw wrong(key, "has \(list.count) entries; allowed: one, or \(count)") }
    return try list.map { element in
      guard case .flag(let flag) = element else { throw wrong(key, "is neither true nor false: \(element.brief)") }
      return flag
    }
  }

  /// A list of `count` whole numbers, or a single one for all.
  package func integers(_ key: String, default fallback: Int, count: Int) throws -> [Int] {
    guard self[key] != nil else { return Array(repeating: fallback, count: count) }
    if isNull(key) { throw wrong(key, "is null; allowed: a number, or \(count)") }
    let list = try integers(key)
    if case .list? = self[key] {
      guard list.count == count else { throw wrong(key, "has \(list.count) entries; allowed: one, or \(count)") }
      return list
    }
    return Array(repeating: list[0], count: count)
  }

  /// The number that a list repeats, or a single one.
  func repeated(_ key: String, default fallback: Int, count: Int) throws -> Int {
    let list = try integers(key, default: fallback, count: count)
    guard list.allSatisfy({ $0 == list[0] }) else { throw wrong(key, "is \(list); allowed: the same for all") }
    return list[0]
  }

  /// A list of two texts, of which either may be null.
  package func pair(_ key: String) throws -> (String?, String?) {
    guard case .list(let elements)? = self[key], elements.count == 2 else {
      throw wrong(key, "is \(brief(key)); allowed: a library and a class, or null")
    }
    func text(_ value: JSONValue) throws -> String? {
      switch value {
      case .null: return nil
      case .text(let text): return text
      default: throw wrong(key, "is \(brief(key)); allowed: a library and a class, or null")
      }
    }
    return (try text(elements[0]), try text(elements[1]))
  }

  /// A mapping of texts to texts.
  package func mapping(_ key: String) throws -> [(key: String, text: String)] {
    guard case .object(let members)? = self[key] else { throw wrong(key, "is not a mapping of texts") }
    return try members.map { member in
      guard case .text(let text) = member.value else { throw wrong(key, "is not a mapping of texts") }
      return (member.key, text)
    }
  }
}
