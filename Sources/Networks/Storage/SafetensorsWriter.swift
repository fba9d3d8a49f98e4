import Core
import Foundation
// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// A safetensors file to be: tensors are asked for their values one by one while it is written, so that a large file
/// takes no more memory than its largest tensor.
public struct SafetensorsWriter {
  private struct Tensor {
    let name: String
    let shape: [Int]
    let values: () throws -> [Float]
  }

  private let metadata: [String: String]
  private let isSealed: Bool
  private var tensors: [Tensor] = []

  /// - Parameters:
  ///   - metadata: texts by name.
  ///   - isSealed: whether a checksum of the file goes into its metadata, so that readers of this package find damage.
  ///     Every tensor is then asked for twice.
  public init(metadata: [String: String] = [:], isSealed: Bool = false) {
    self.metadata = isSealed ? metadata.merging([SafetensorsSeal.key: SafetensorsSeal.blank]) { $1 } : metadata
    self.isSealed = isSealed
  }

  /// Adds a tensor.
  /// - Parameters:
  ///   - name: under which the file has it.
  ///   - shape: the size along each axis.
  ///   - values: gives the values, row-major, when they are written; an error ends the writing.
  public mutating func add(_ name: String, shape: [Int], values: @escaping () throws -> [Float]) {
    tensors.append(Tensor(name: name, shape: shape, values: values))
  }

  /// Adds the tensors of a flat buffer under `prefix` + name.
  /// - Parameters:
  ///   - values: the buffer, in the layout's order.
  ///   - layout: says where each tensor lies.
  ///   - prefix: stands before every name.
  ///   - isWanted: whether a tensor is added.
  public mutating func add(
    _ values: [Float], layout: ParameterLayout, prefix: String = "",
    where isWanted: (ParameterLayout.Part) -> Bool = { _ in true }
  ) {
    for (entry, part, index) in layout.parts where isWanted(part) {
      add(prefix + part.name, shape: part.shape) { layout.tensor(of: entry, part: index, in: values) }
    }
  }

  /// Hands over the bytes of the file, piece by piece; tensors in order of their names.
  public func encode(_ write: (Data) throws -> Void) throws {
    guard isSealed else { return try encode(seal: nil, write) }
    var checksum = ByteChecksum()
    try encode(seal: nil) { data in data.withUnsafeBytes { checksum.add($0) } }
    try encode(seal: checksum.text, write)
  }

  private func encode(seal: String?, _ write: (Data) throws -> Void) throws {
    let sorted = tensors.sorted { $0.name < $1.name }
    var header: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
    var offset = 0
    for tensor in sorted {
      let end = offset + 4 * tensor.shape.reduce(1, *)
      header[tensor.name] = ["dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]] as [String: Any]
      offset = end
    }
    var json = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes])
    // Spaces, so that the tensors are aligned.
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
    if let seal, let place = SafetensorsSeal.digits(in: json) {
      json.replaceSubrange(place, with: Data(seal.utf8))
    }
    try write(withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) } + json)
    for tensor in sorted {
      let values = try tensor.values()
      precondition(values.count == tensor.shape.reduce(1, *), "values do not fill the shape")
      try values.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        try write(Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: base), count: bytes.count, deallocator: .none))
      }
    }
  }

  /// Writes the file in one piece: under another name first, then renamed.
  /// - Throws: `WriteError` at the path where it cannot be written.
  public func write(to path: String) throws {
    try AtomicFile.write(to: path) { write in
      try encode { data in try data.withUnsafeBytes { try write($0) } }
    }
  }
}
