// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// TensorBoard's event files: records of TensorFlow's format, each a message `Event` of protocol buffers.
///
/// A record is the length of its data (8 bytes, little-endian), a checksum of these 8 bytes, the data, and a checksum
/// of the data (tensorflow/core/lib/io/record_writer.h). Messages have the fields of tensorboard/compat/proto:
/// event.proto and summary.proto.
package enum EventFile {
  /// A record.
  package static func record(_ data: Data) -> Data {
    let length = bytes(UInt64(data.count))
    return length + bytes(maskedChecksum(length)) + data + bytes(maskedChecksum(data))
  }

  /// The first record of a file, which names the format's version.
  package static func beginning(time: Double) -> Data {
    record(number(1, time) + field(3, Data("brain.Event:2".utf8)))
  }

  /// An event with values under their tags.
  package static func scalars(_ values: [(tag: String, value: Double)], step: Int, time: Double) -> Data {
    let summary = values.reduce(into: Data()) { data, value in
      data += field(1, field(1, Data(value.tag.utf8)) + key(2, .four) + bytes(Float(value.value).bitPattern))
    }
    return event(summary, step: step, time: time)
  }

  /// An event with a picture in RGB, encoded as PNG.
  package static func image(_ png: Data, width: Int, height: Int, tag: String, step: Int, time: Double) -> Data {
    let image = integer(1, height) + integer(2, width) + integer(3, 3) + field(4, png)
    return event(field(1, field(1, Data(tag.utf8)) + field(4, image)), step: step, time: time)
  }

  private static func event(_ summary: Data, step: Int, time: Double) -> Data {
    number(1, time) + integer(2, step) + field(5, summary)
  }

  // MARK: Protocol buffers

  /// How a field's value is laid out.
  private enum Layout: UInt64 { case varint = 0, eight = 1, lengthAndBytes = 2, four = 5 }

  private static func key(_ field: UInt64, _ layout: Layout) -> Data { varint(field << 3 | layout.rawValue) }

  private static func field(_ number: UInt64, _ data: Data) -> Data {
    key(number, .lengthAndBytes) + varint(UInt64(data.count)) + data
  }

  private static func integer(_ field: UInt64, _ value: Int) -> Data {
    key(field, .varint) + varint(UInt64(bitPattern: Int64(value)))
  }

  private static func number(_ field: UInt64, _ value: Double) -> Data { key(field, .eight) + bytes(value.bitPattern) }

  /// Seven bits a byte, the lowest first; the highest bit says that more follow.
  private static func varint(_ value: UInt64) -> Data {
    var (data, rest) = (Data(), value)
    while rest > 127 {
      data.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    data.append(UInt8(rest))
    return data
  }

  private static func bytes(_ value: some FixedWidthInteger) -> Data {
    withUnsafeBytes(of: value.littleEndian) { Data($0) }
  }

  // MARK: Checksums

  /// CRC-32C, turned by 15 bits and raised by a constant, so that a checksum of data that holds checksums is no
  /// special case.
  static func maskedChecksum(_ data: Data) -> UInt32 {
    let sum = checksum(data)
    return (sum >> 15 | sum << 17) &+ 0xa282_ead8
  }

  /// CRC-32C (Castagnoli): the polynomial 0x1EDC6F41, here with its bits reversed.
  package static func checksum(_ data: Data) -> UInt32 {
    ~data.reduce(~UInt32(0)) { sum, byte in table[Int((sum ^ UInt32(byte)) & 255)] ^ sum >> 8 }
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
  }
}
