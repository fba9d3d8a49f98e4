// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The header of NumPy's `.npy` format, versions 1 to 3: magic and version, its length in 16 or 32 bits, and a
/// dictionary of Python with `descr`, `fortran_order` and `shape`.
struct NPYHeader: Equatable {
  /// The type of the values: `f` floats, `i` integers, `u` unsigned ones, `b` truth values; and its bytes.
  let kind: Character
  let size: Int
  let isBigEndian: Bool
  /// Whether the first index runs fastest.
  let isFortran: Bool
  /// 1 or more sizes of 1 or more.
  let shape: [Int]
  /// Where the values begin.
  let start: Int

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  static let types = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]

  var count: Int { shape[0] }
  /// How many values a row has.
  var width: Int { shape.dropFirst().reduce(1, *) }
  /// How many bytes the values have.
  var bytes: Int { shape.reduce(size, *) }

  /// - Parameters:
  ///   - file: the beginning of the file: all of it, or 128 KiB.
  ///   - fileLength: how many bytes the file has.
  /// - Throws: `InputError` for another version, other types of values, sizes of 0 or beyond 64 bits, and whatever is
  /// no
  ///   such header.
  init(_ file: UnsafeRawBufferPointer, length fileLength: Int, path: String) throws {
    func refuse(_ message: String) -> InputError { InputError(message, at: path) }
    guard file.count >= 12 else { throw refuse("ends within the header of .npy") }
    let version = file[6]
    guard (1...3).contains(version) else {
      throw refuse("is .npy of version \(version).\(file[7]); allowed: 1 to 3")
    }
    let (lengthBytes, first) = (version == 1 ? 2 : 4, version == 1 ? 10 : 12)
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(file[8 + $1]) << (8 * $1) }
    guard length <= fileLength - first else { throw refuse("ends within the header of .npy") }
    guard length <= 1 << 16, length <= file.count - first else {
      throw refuse("has an .npy header of \(length) bytes; allowed: 65536 or fewer")
    }
    start = first + length
    var fields = try PythonDictionary(file[first..<start], path: path).fields
    guard case .text(let type)? = fields.removeValue(forKey: "descr") else {
      throw refuse("has values of more than one type; allowed: .npy of \(Self.types.joined(separator: ", "))")
    }
    guard case .truth(let isFortran)? = fields.removeValue(forKey: "fortran_order"),
      case .numbers(let shape)? = fields.removeValue(forKey: "shape"), fields.isEmpty
    else { throw refuse("has no .npy header with descr, fortran_order and shape, and nothing else") }
    let (order, name) =
      type.first.map { "<>=|".contains($0) } ?? false ? (type.first, type.dropFirst()) : (nil, type[...])
    guard Self.types.contains(String(name)), let kind = name.first, let size = name.last?.wholeNumberValue,
      order != "|" || size == 1
    else {
      throw refuse(
        "has values of type '\(type)'; allowed: \(Self.types.joined(separator: ", ")) of either byte order")
    }
    let written = "(\(shape.map(String.init).joined(separator: ", ")))"
    guard !shape.isEmpty else { throw refuse("holds a single value, of shape (); allowed: rows of values") }
    guard shape.count <= 64 else { throw refuse("has \(shape.count) dimensions; allowed: 1 to 64") }
    guard shape.allSatisfy({ $0 > 0 }) else { throw refuse("holds no values: its shape is \(written)") }
    var bytes = size
    for one in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: one)
      guard !overflow else { throw refuse("says its shape is \(written), which no file can hold") }
      bytes = product
    }
    let found = fileLength - start
    guard found == bytes else {
      throw refuse(
        found < bytes
          ? "ends after \(found) of the \(bytes) bytes that shape \(written) of '\(type)' has"
          : "has \(found - bytes) bytes behind the array of shape \(written)")
    }
    self.kind = kind
    self.size = size
    isBigEndian = order == ">"
    self.isFortran = isFortran && shape.count > 1
    self.shape = shape
  }
}

/// A dictionary of Python as `.npy` has it: keys in quotes; texts, True or False, tuples of whole numbers, and lists,
/// which are passed over.
private struct PythonDictionary {
  enum Value: Equatable {
    case text(String)
    case truth(Bool)
    case numbers([Int])
    case other
  }

  private(set) var fields: [String: Value] = [:]
  private var rest: Slice<UnsafeRawBufferPointer>
  private let path: String

  init(_ bytes: Slice<UnsafeRawBufferPointer>, path: String) throws {
    rest = bytes
    self.path = path
    try take("{")
    while peek() != UInt8(ascii: "}") {
      let key = try text()
      try take(":")
      guard fields.updateValue(try value(), forKey: key) == nil else { throw wrong("names '\(key)' twice") }
      if peek() == UInt8(ascii: ",") { rest.removeFirst() } else { break }
    }
    try take("}")
    guard peek() == nil else { throw wrong("goes on behind its end") }
  }

  private func wrong(_ what: String) -> InputError { InputError("has an .npy header that \(what)", at: path) }

  /// The next byte that is no blank.
  private mutating func peek() -> UInt8? {
    while let byte = rest.first, byte == 32 || (9...13).contains(byte) { rest.removeFirst() }
    return rest.first
  }

  private mutating func take(_ character: Unicode.Scalar) throws {
    guard peek() == UInt8(ascii: character) else { throw wrong("lacks a '\(character)'") }
    rest.removeFirst()
  }

  private mutating func text() throws -> String {
    guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw wrong("lacks a text in quotes")
    }
    rest.removeFirst()
    let text = rest.prefix { $0 != quote }
    guard text.count < rest.count else { throw wrong("has a text without an end") }
    rest = rest.dropFirst(text.count + 1)
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func value() throws -> Value {
    switch peek() {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return .text(try text())
    case UInt8(ascii: "("): return .numbers(try numbers())
    case UInt8(ascii: "["):
      try skipList()
      return .other
    default:
      let word = rest.prefix { (65...90).contains($0) || (97...122).contains($0) }
      rest = rest.dropFirst(word.count)
      switch String(decoding: word, as: UTF8.self) {
      case "True": return .truth(true)
      case "False": return .truth(false)
      default: throw wrong("holds something other than texts, truth values and sizes")
      }
    }
  }

  private mutating func numbers() throws -> [Int] {
    try take("(")
    var numbers: [Int] = []
    while peek() != UInt8(ascii: ")") {
      let digits = rest.prefix { $0 &- 48 < 10 }
      rest = rest.dropFirst(digits.count)
      guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
        throw wrong("has a size that is no whole number of 64 bits, 0 or more")
      }
      numbers.append(number)
      // Python 2 wrote 3L.
      if rest.first == UInt8(ascii: "L") { rest.removeFirst() }
      if peek() == UInt8(ascii: ",") { rest.removeFirst() } else { break }
    }
    try take(")")
    return numbers
  }

  /// The type of records of several fields: only that it is one matters.
  private mutating func skipList() throws {
    var depth = 0
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\""): _ = try text()
      case UInt8(ascii: "["), UInt8(ascii: "("):
        depth += 1
        rest.removeFirst()
      case UInt8(ascii: "]"), UInt8(ascii: ")"):
        depth -= 1
        rest.removeFirst()
        if depth == 0 { return }
      default: rest.removeFirst()
      }
    }
    throw wrong("has a list without an end")
  }
}
