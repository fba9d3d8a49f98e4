import Core
import Foundation
// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// The safetensors format: an 8-byte little-endian header length, a JSON header of names, types, shapes and offsets,
/// then the bytes of all tensors without gaps. Written in 32-bit floats; 16-bit and 64-bit ones are read, too.
public struct Safetensors: Sendable {
  public struct Entry: Sendable, Equatable {
    public let shape: [Int]
    public let values: [Float]

    public init(shape: [Int], values: [Float]) {
      precondition(shape.reduce(1, *) == values.count, "values do not fill the shape")
      self.shape = shape
      self.values = values
    }
  }

  public var tensors: [String: Entry]
  public var metadata: [String: String]

  public init(tensors: [String: Entry] = [:], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }

  // MARK: Writing

  /// The file's bytes; tensors in order of their names.
  public func encoded() throws -> Data {
    var data = Data()
    try writer().encode { data.append($0) }
    return data
  }

  /// The same file, written tensor by tensor.
  public func writer() -> SafetensorsWriter {
    var writer = SafetensorsWriter(metadata: metadata)
    for (name, entry) in tensors { writer.add(name, shape: entry.shape) { entry.values } }
    return writer
  }

  // MARK: Reading

  /// - Throws: `InputError` at the path for a file that is missing, truncated or not of this format.
  public init(reading path: String) throws {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
    } catch {
      throw InputError(
        FileManager.default.fileExists(atPath: path) ? "cannot be read" : "no such file", at: path)
    }
    do {
      try self.init(decoding: data)
    } catch let error as InputError {
      throw InputError(error.message, at: path)
    }
  }

  public init(decoding data: Data) throws {
    guard data.count >= 8 else { throw InputError("not a safetensors file: \(data.count) bytes") }
    let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(data.count - 8) else {
      throw InputError("not a safetensors file, or truncated: a header of \(length) bytes in a file of \(data.count)")
    }
    guard length <= Self.longestHeader else {
      throw InputError("a header of \(length) bytes; allowed: \(Self.longestHeader)")
    }
    let json = data.dropFirst(8).prefix(Int(length))
    guard let header = try? JSONSerialization.jsonObject(with: json) as? [String: Any] else {
      throw InputError("not a safetensors file: its header is not a JSON object")
    }
    let body = data.dropFirst(8 + Int(length))
    tensors = [:]
    metadata = [:]
    var extents: [(begin: Int, end: Int, name: String)] = []
    for (name, value) in header {
      if name == "__metadata__" {
        guard let texts = value as? [String: String] else { throw InputError("metadata that is not text") }
        metadata = texts
        try SafetensorsSeal.check(data, header: json, metadata: texts)
        continue
      }
      let (type, shape, begin, end) = try Self.entry(name, value, available: body.count)
      extents.append((begin, end, name))
      tensors[name] = Entry(
        shape: shape, values: type.floats(body[body.startIndex + begin..<body.startIndex + end]))
    }
    var position = 0
    for extent in extents.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
      guard extent.begin == position else {
        throw InputError("tensor '\(extent.name)' begins at \(extent.begin), where \(position) was expected")
      }
      position = extent.end
    }
    guard position == body.count else {
      throw InputError("tensors of \(position) bytes in a body of \(body.count)")
    }
  }

  /// The limit of the format's own reader.
  private static let longestHeader = 100_000_000

  /// The types that are read, as floats.
  private enum Number: String, CaseIterable {
    case half = "F16"
    case brainHalf = "BF16"
    case single = "F32"
    case double = "F64"

    var size: Int {
      switch self {
      case .half, .brainHalf: 2
      case .single: 4
      case .double: 8
      }
    }

    /// Little-endian numbers, at any alignment.
    func floats(_ bytes: Data) -> [Float] {
      func read<Value>(_: Value.Type, _ convert: (Value) -> Float) -> [Float] {
        bytes.withUnsafeBytes { raw in
          (0..<raw.count / size).map { convert(raw.loadUnaligned(fromByteOffset: $0 * size, as: Value.self)) }
        }
      }
      switch self {
      case .single: return read(UInt32.self) { Float(bitPattern: UInt32(littleEndian: $0)) }
      case .double: return read(UInt64.self) { Float(Double(bitPattern: UInt64(littleEndian: $0))) }
      case .brainHalf: return read(UInt16.self) { Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16) }
      case .half: return read(UInt16.self) { Self.binary16(UInt16(littleEndian: $0)) }
      }
    }

    /// IEEE 754's binary16.
    private static func binary16(_ bits: UInt16) -> Float {
      let (sign, exponent, fraction) = (UInt32(bits >> 15) << 31, UInt32(bits >> 10 & 31), UInt32(bits & 1023))
      switch exponent {
      case 0:
        let magnitude = Float(fraction) * 0x1p-24
        return sign == 0 ? magnitude : -magnitude
      case 31: return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
      default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
      }
    }
  }

  private static func entry(
    _ name: String, _ value: Any, available: Int
  ) throws -> (type: Number, shape: [Int], begin: Int, end: Int) {
    guard let fields = value as? [String: Any], let type = fields["dtype"] as? String,
      let shape = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int], offsets.count == 2
    else { throw InputError("tensor '\(name)' lacks a dtype, shape or data_offsets") }
    guard let number = Number(rawValue: type) else {
      let known = Number.allCases.map(\.rawValue).joined(separator: ", ")
      throw InputError("tensor '\(name)' is of type \(type); allowed: \(known)")
    }
    guard shape.count <= 8 else { throw InputError("tensor '\(name)' has \(shape.count) dimensions; allowed: 8") }
    var bytes = number.size
    for size in shape {
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
    return (number, shape, begin, end)
  }
}

extension Safetensors {
  /// The flat buffer of the tensors under `prefix`. Files from before networks had an embedding of nothing get the
  /// zeros that it begins as.
  /// - Throws: `InputError` naming a tensor that is missing or of another shape.
  public func values(layout: ParameterLayout, prefix: String) throws -> [Float] {
    // All shapes are right before memory is taken for them.
    for (_, part, _) in layout.parts where !isMissingNothing(part, prefix) { _ = try tensor(of: part, prefix) }
    return try layout.buffer { part in
      isMissingNothing(part, prefix) ? Array(repeating: 0, count: part.count) : try tensor(of: part, prefix).values
    }
  }

  private func isMissingNothing(_ part: ParameterLayout.Part, _ prefix: String) -> Bool {
    part.name == ConditionEmbedding.nothingName && tensors[prefix + part.name] == nil
  }

  private func tensor(of part: ParameterLayout.Part, _ prefix: String) throws -> Entry {
    guard let tensor = tensors[prefix + part.name] else {
      throw InputError("a checkpoint of another network: no tensor '\(prefix + part.name)'")
    }
    guard tensor.shape == part.shape else {
      throw InputError(
        "a checkpoint of another network: '\(prefix + part.name)' has shape \(tensor.shape), expected \(part.shape)")
    }
    return tensor
  }
}
