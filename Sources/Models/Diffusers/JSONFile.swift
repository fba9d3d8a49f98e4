// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// A JSON object in a file, read with clear errors.
struct JSONFile {
  let path: String
  let bytes: Data
  private let object: [String: Any]

  init(_ path: String, missing: String) throws {
    self.path = path
    guard let data = FileManager.default.contents(atPath: path) else { throw InputError(missing, at: path) }
    guard data.count < 1 << 20, let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw InputError("is not a JSON object", at: path)
    }
    self.object = object
    bytes = data
  }

  func wrong(_ key: String, _ message: String) -> InputError { InputError("'\(key)' \(message)", at: path) }

  func isNull(_ key: String) -> Bool { object[key] is NSNull }
  func has(_ key: String) -> Bool { object[key] != nil && !isNull(key) }

  /// Numbers and booleans look alike to Foundation.
  private func isFlag(_ value: Any) -> Bool {
    guard let number = value as? NSNumber else { return false }
    return String(cString: number.objCType) == "c"
  }

  func number(_ key: String, default fallback: Double) throws -> Double {
    guard let value = object[key], has(key) else { return fallback }
    guard let number = value as? NSNumber, !isFlag(value), number.doubleValue.isFinite else {
      throw wrong(key, "is not a number")
    }
    return number.doubleValue
  }

  func integer(_ key: String, default fallback: Int) throws -> Int {
    let value = try number(key, default: Double(fallback))
    guard value == value.rounded(), abs(value) < 1e9 else { throw wrong(key, "is \(value), not a whole number") }
    return Int(value)
  }

  func flag(_ key: String, default fallback: Bool) throws -> Bool {
    guard let value = object[key], has(key) else { return fallback }
    guard let flag = value as? Bool, isFlag(value) else { throw wrong(key, "is neither true nor false") }
    return flag
  }

  func text(_ key: String, default fallback: String) throws -> String {
    guard let value = object[key], has(key) else { return fallback }
    guard let text = value as? String else { throw wrong(key, "is not a text") }
    return text
  }

  func choice(_ key: String, default fallback: String, _ allowed: [String]) throws -> String {
    let text = try text(key, default: fallback)
    guard allowed.contains(text) else {
      throw wrong(key, "is '\(text)'; allowed: \(allowed.joined(separator: ", "))")
    }
    return text
  }

  func texts(_ key: String, default fallback: [String]) throws -> [String] {
    guard let value = object[key], has(key) else { return fallback }
    guard let texts = value as? [String] else { throw wrong(key, "is not a list of texts") }
    return texts
  }

  func numbers(_ key: String) throws -> [Double] {
    guard let values = object[key] as? [Any], values.allSatisfy({ $0 is NSNumber && !isFlag($0) }) else {
      throw wrong(key, "is not a list of numbers")
    }
    return values.map { ($0 as? NSNumber)?.doubleValue ?? .nan }
  }

  /// A list of whole numbers, or a single one.
  func integers(_ key: String, default fallback: [Int] = []) throws -> [Int] {
    guard let value = object[key], has(key) else { return fallback }
    let list = value as? [Any] ?? [value]
    return try list.map { element in
      guard let number = element as? NSNumber, !isFlag(element), number.doubleValue == number.doubleValue.rounded(),
        (0...1_000_000).contains(number.doubleValue)
      else { throw wrong(key, "holds something else than whole numbers of 0 to 1000000") }
      return number.intValue
    }
  }
}
