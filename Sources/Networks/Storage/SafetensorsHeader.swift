// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Reads the header of a safetensors file: `{"NAME": {"dtype": …, "shape": […], "data_offsets": [begin, end]}, …}`, and
/// texts under `__metadata__`. Every name is there once, every tensor lies within the body and fills its bytes.
struct SafetensorsHeader {
  private var scanner: JSONScanner
  private let bodyCount: Int

  init(_ bytes: UnsafeRawBufferPointer, bodyCount: Int) {
    scanner = JSONScanner(bytes)
    self.bodyCount = bodyCount
  }

  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - body: where the tensors' bytes begin in it.
  mutating func read(
    of bytes: SafetensorsBytes, body: Int
  ) throws -> (Safetensors.Table, metadata: [String: String]) {
    var table = Safetensors.Table(of: bytes)
    var metadata: [String: String]?
    let available = bodyCount
    try scanner.object { scanner, name in
      if name == "__metadata__" {
        guard metadata == nil else { throw scanner.wrong("the key '__metadata__' is there twice") }
        metadata = try Self.metadata(&scanner)
        return
      }
      let (type, shape, begin) = try Self.tensor(name, &scanner, available)
      guard table.add(name, type, shape, at: body + begin) else {
        throw InputError("tensor '\(name)' is there twice")
      }
    }
    try scanner.finish()
    return (table, metadata ?? [:])
  }

  private static func metadata(_ scanner: inout JSONScanner) throws -> [String: String] {
    var texts: [String: String] = [:]
    try scanner.object { scanner, key in
      guard scanner.peek() == UInt8(ascii: "\"") else { throw InputError("metadata '\(key)' that is not text") }
      guard texts.updateValue(try scanner.string(), forKey: key) == nil else {
        throw InputError("metadata '\(key)' is there twice")
      }
    }
    return texts
  }

  private static func tensor(
    _ name: String, _ scanner: inout JSONScanner, _ available: Int
  ) throws -> (SafetensorsType, shape: [Int], begin: Int) {
    var typeName: String?
    var shape: [Int]?
    var offsets: [Int]?
    guard scanner.peek() == UInt8(ascii: "{") else { throw InputError("tensor '\(name)' is not described") }
    try scanner.object { scanner, key in
      let isFirst: Bool
      switch key {
      case "dtype":
        isFirst = typeName == nil
        guard scanner.peek() == UInt8(ascii: "\"") else { throw InputError("tensor '\(name)': dtype is no text") }
        typeName = try scanner.string()
      case "shape":
        isFirst = shape == nil
        shape = try sizes(&scanner, atMost: 8, "tensor '\(name)': shape")
      case "data_offsets":
        isFirst = offsets == nil
        offsets = try sizes(&scanner, atMost: 2, "tensor '\(name)': data_offsets")
      default:
        throw InputError("tensor '\(name)' has '\(key)'; allowed: dtype, shape, data_offsets")
      }
      guard isFirst else { throw InputError("tensor '\(name)': \(key) is there twice") }
    }
    guard let typeName, let shape, let offsets, offsets.count == 2 else {
      throw InputError("tensor '\(name)' lacks a dtype, shape or data_offsets")
    }
    guard let type = SafetensorsType(rawValue: typeName) else {
      let known = SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ")
      throw InputError("tensor '\(name)' is of type \(typeName); allowed: \(known)")
    }
    // In this order, as for the number of values later.
    var bytes = 1
    for size in shape + [type.size] {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: size)
      guard size >= 0, !overflow else { throw InputError("tensor '\(name)' has the impossible shape \(shape)") }
      bytes = product
    }
    let (begin, end) = (offsets[0], offsets[1])
    guard 0 <= begin, begin <= end, end <= available else {
      throw InputError("tensor '\(name)' lies at \(begin) to \(end) of \(available) bytes: truncated or damaged")
    }
    guard end - begin == bytes else {
      throw InputError("tensor '\(name)' of shape \(shape) needs \(bytes) bytes and has \(end - begin)")
    }
    return (type, shape, begin)
  }

  /// A short list of whole numbers.
  private static func sizes(_ scanner: inout JSONScanner, atMost limit: Int, _ what: String) throws -> [Int] {
    var values: [Int] = []
    guard scanner.peek() == UInt8(ascii: "[") else { throw InputError("\(what) is no list") }
    try scanner.list { scanner in
      guard values.count < limit else { throw InputError("\(what) has more than \(limit) numbers") }
      guard let byte = scanner.peek(), byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte),
        case .whole(let value) = try scanner.number()
      else { throw InputError("\(what) holds something else than whole numbers of 64 bits") }
      values.append(value)
    }
    return values
  }
}
