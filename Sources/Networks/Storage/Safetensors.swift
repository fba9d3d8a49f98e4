// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Tensors

/// The safetensors format: an 8-byte little-endian header length, a JSON header of names, types, shapes and offsets,
/// then the bytes of all tensors without gaps. Written in 32-bit floats; 16-bit and 64-bit ones are read, too. The
/// header is read and checked as a whole at once, a tensor when it is asked for.
public struct Safetensors: Sendable {
  /// The tensors by their names.
  public var tensors: Table
  /// Texts by their names: the header's `__metadata__`.
  public var metadata: [String: String]

  /// A file of given tensors and texts.
  public init(tensors: Table = [:], metadata: [String: String] = [:]) {
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
    for name in tensors.names {
      guard let entry = tensors[name] else { continue }
      writer.add(name, shape: entry.shape) { try entry.values }
    }
    return writer
  }

  // MARK: Reading

  /// - Throws: `InputError` at the path for a file that is missing, truncated or not of this format.
  public init(reading path: String) throws {
    do {
      try self.init(SafetensorsBytes(opening: path))
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: path)
    }
  }

  /// Reads the header of a file that is in memory, and checks it.
  /// - Throws: `InputError` for bytes that are not a whole safetensors file.
  public init(decoding data: Data) throws { try self.init(SafetensorsBytes(data)) }

  private init(_ bytes: SafetensorsBytes) throws {
    guard bytes.count >= 8 else { throw InputError("not a safetensors file: \(bytes.count) bytes") }
    var prefix: UInt64 = 0
    try withUnsafeMutableBytes(of: &prefix) { try bytes.read(from: 0, into: $0) }
    let length = UInt64(littleEndian: prefix)
    guard length <= UInt64(bytes.count - 8) else {
      throw InputError("not a safetensors file, or truncated: a header of \(length) bytes in a file of \(bytes.count)")
    }
    guard length <= Self.longestHeader else {
      throw InputError("a header of \(length) bytes; allowed: \(Self.longestHeader)")
    }
    let json = try [UInt8](unsafeUninitializedCapacity: Int(length)) { target, filled in
      try bytes.read(from: 8, into: UnsafeMutableRawBufferPointer(target))
      filled = target.count
    }
    let body = 8 + Int(length)
    (tensors, metadata) = try json.withUnsafeBytes { header in
      do {
        var reader = SafetensorsHeader(header, bodyCount: bytes.count - body)
        return try reader.read(of: bytes, body: body)
      } catch let error as InputError {
        throw error.message.hasPrefix("not JSON")
          ? InputError("not a safetensors file: its header is \(error.message)") : error
      }
    }
    try SafetensorsSeal.check(bytes, header: json, metadata: metadata)
    var position = body
    for extent in tensors.extents.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
      guard extent.begin == position else {
        throw InputError(
          "tensor '\(tensors.name(at: extent.begin))' begins at \(extent.begin - body), where \(position - body) was "
            + "expected")
      }
      position = extent.end
    }
    guard position == bytes.count else {
      throw InputError("tensors of \(position - body) bytes in a body of \(bytes.count - body)")
    }
  }

  /// The limit of the format's own reader.
  private static let longestHeader = 100_000_000
}
