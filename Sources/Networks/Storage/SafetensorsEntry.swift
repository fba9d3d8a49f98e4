// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Safetensors {
  /// A tensor of a file. Its values are read when they are asked for, and not kept.
  public struct Entry: Sendable, Equatable {
    /// The size along each axis.
    public let shape: [Int]
    /// The type of its numbers in the file.
    public let type: SafetensorsType
    private let source: Source

    private enum Source: Sendable {
      case values([Float])
      case bytes(SafetensorsBytes, offset: Int)
    }

    /// A tensor of 32-bit floats.
    /// - Precondition: as many values as the shape has.
    public init(shape: [Int], values: [Float]) {
      precondition(shape.reduce(1, *) == values.count, "values do not fill the shape")
      (self.shape, type, source) = (shape, .single, .values(values))
    }

    init(shape: [Int], _ type: SafetensorsType, at offset: Int, of bytes: SafetensorsBytes) {
      (self.shape, self.type, source) = (shape, type, .bytes(bytes, offset: offset))
    }

    private init(_ other: Entry, shape: [Int]) {
      precondition(shape.reduce(1, *) == other.count, "another number of values")
      (self.shape, type, source) = (shape, other.type, other.source)
    }

    /// The same values in another shape.
    public func reshaped(_ shape: [Int]) -> Entry { Entry(self, shape: shape) }

    /// How many values there are.
    public var count: Int { shape.reduce(1, *) }

    /// The values as floats of 32 bits, in the order of the file.
    /// - Throws: `InputError` for numbers that are no floats, or where the file cannot be read any more.
    public var values: [Float] {
      get throws {
        switch source {
        case .values(let values): return values
        case .bytes(let bytes, let offset):
          guard type.isFloat else {
            throw InputError("numbers of type \(type.rawValue); allowed: \(SafetensorsType.floats)")
          }
          return try [Float](unsafeUninitializedCapacity: count) { target, filled in
            if type == .single, 1.littleEndian == 1 {
              try bytes.read(from: offset, into: UnsafeMutableRawBufferPointer(target))
            } else {
              try convert(bytes, from: offset, into: target)
            }
            filled = target.count
          }
        }
      }
    }

    /// The bits of 16-bit floats, in the order of the file.
    /// - Precondition: numbers of 16 bits.
    /// - Throws: `InputError` where the file cannot be read any more.
    package var halves: [UInt16] {
      get throws {
        guard case .bytes(let bytes, let offset) = source, type.size == 2 else {
          preconditionFailure("numbers of \(type.rawValue)")
        }
        return try [UInt16](unsafeUninitializedCapacity: count) { target, filled in
          try bytes.read(from: offset, into: UnsafeMutableRawBufferPointer(target))
          if 1.littleEndian != 1 { for i in target.indices { target[i] = UInt16(littleEndian: target[i]) } }
          filled = target.count
        }
      }
    }

    /// Some thousand numbers at a time.
    private func convert(
      _ bytes: SafetensorsBytes, from offset: Int, into target: UnsafeMutableBufferPointer<Float>
    ) throws {
      let part = 8192
      try withUnsafeTemporaryAllocation(byteCount: part * type.size, alignment: 8) { buffer in
        for first in stride(from: 0, to: target.count, by: part) {
          let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<(min(part, target.count - first) * type.size)])
          try bytes.read(from: offset + first * type.size, into: piece)
          type.convert(UnsafeRawBufferPointer(piece), into: target.baseAddress! + first)
        }
      }
    }

    public static func == (a: Entry, b: Entry) -> Bool {
      guard a.shape == b.shape, let first = try? a.values, let second = try? b.values else { return false }
      return first == second
    }
  }
}
