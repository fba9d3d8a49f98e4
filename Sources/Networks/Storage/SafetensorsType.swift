// SPDX-License-Identifier: GPL-3.0-or-later

/// The types of numbers that a safetensors file may hold. Floats are read as parameters; the others are only known, so
/// that a file may have buffers of them.
public enum SafetensorsType: String, Sendable, CaseIterable {
  /// IEEE 754, 16 bits.
  case half = "F16"
  /// The upper 16 bits of a 32-bit float (bfloat16).
  case brainHalf = "BF16"
  /// IEEE 754, 32 bits.
  case single = "F32"
  /// IEEE 754, 64 bits.
  case double = "F64"
  /// True or false, a byte.
  case flag = "BOOL"
  /// A whole number from 0, 8 bits.
  case unsigned8 = "U8"
  /// A whole number with a sign, 8 bits.
  case signed8 = "I8"
  /// A whole number from 0, 16 bits.
  case unsigned16 = "U16"
  /// A whole number with a sign, 16 bits.
  case signed16 = "I16"
  /// A whole number from 0, 32 bits.
  case unsigned32 = "U32"
  /// A whole number with a sign, 32 bits.
  case signed32 = "I32"
  /// A whole number from 0, 64 bits.
  case unsigned64 = "U64"
  /// A whole number with a sign, 64 bits.
  case signed64 = "I64"

  /// Bytes of a number.
  public var size: Int {
    switch self {
    case .flag, .unsigned8, .signed8: 1
    case .half, .brainHalf, .unsigned16, .signed16: 2
    case .single, .unsigned32, .signed32: 4
    case .double, .unsigned64, .signed64: 8
    }
  }

  /// Whether it is one of the four types of floats, which are read as parameters.
  public var isFloat: Bool {
    switch self {
    case .half, .brainHalf, .single, .double: true
    default: false
    }
  }

  /// The names of all types of floats, for messages.
  static var floats: String { allCases.filter(\.isFloat).map(\.rawValue).joined(separator: ", ") }

  /// Little-endian floats of this type as floats of 32 bits, at any alignment.
  func convert(_ raw: UnsafeRawBufferPointer, into target: UnsafeMutablePointer<Float>) {
    func read<Value>(_: Value.Type, _ convert: (Value) -> Float) {
      for i in 0..<raw.count / size {
        target[i] = convert(raw.loadUnaligned(fromByteOffset: i * size, as: Value.self))
      }
    }
    switch self {
    case .single: read(UInt32.self) { Float(bitPattern: UInt32(littleEndian: $0)) }
    case .double: read(UInt64.self) { Float(Double(bitPattern: UInt64(littleEndian: $0))) }
    case .brainHalf: read(UInt16.self) { Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16) }
    case .half: read(UInt16.self) { Self.binary16(UInt16(littleEndian: $0)) }
    default: preconditionFailure("\(rawValue) is no float")
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
