// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@Suite("Safetensors") struct SafetensorsTests {
  private static func file(_ header: String, body: Int) -> Data {
    var data = Data()
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
    return data + Data(header.utf8) + Data(count: body)
  }

  @Test("what is written reads back") func roundTrip() throws {
    let file = Safetensors(
      tensors: ["b": .init(shape: [2, 3], values: [1, 2, 3, 4, 5, -0.5]), "a": .init(shape: [0], values: [])],
      metadata: ["config": "name: \"x\"\n"])
    let read = try Safetensors(decoding: try file.encoded())
    #expect(read.tensors == file.tensors && read.metadata == file.metadata)
  }

  static let malformed: [(String, Data)] = [
    ("empty", Data()),
    ("seven bytes", Data(count: 7)),
    ("a header longer than the file", Data([255, 0, 0, 0, 0, 0, 0, 0, 123])),
    ("a header of 2^64 - 1 bytes", Data(repeating: 255, count: 20)),
    ("no JSON", file("hello", body: 0)),
    ("a JSON list", file("[1]", body: 0)),
    ("metadata of numbers", file(#"{"__metadata__":{"a":1}}"#, body: 0)),
    ("a header of 100,000 brackets", file(String(repeating: "[", count: 100_000), body: 0)),
    ("nine dimensions", file(#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#, body: 4)),
    ("a fractional size", file(#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, body: 4)),
    ("no shape", file(#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, body: 4)),
    ("another type", file(#"{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}"#, body: 8)),
    ("a negative size", file(#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, body: 4)),
    (
      "an overflowing shape",
      file(#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#, body: 4)
    ),
    ("offsets beyond the end", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, body: 4)),
    ("offsets in reverse", file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, body: 4)),
    ("negative offsets", file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, body: 4)),
    ("a shape that does not fill its bytes", file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, body: 4)),
    (
      "overlapping tensors",
      file(
        #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
        body: 8)
    ),
    ("a gap", file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, body: 8)),
    ("bytes left over", file(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, body: 8)),
  ]

  /// The Python package's own file.
  @Test("all float types are read exactly") func types() throws {
    let url = try #require(
      Bundle.module.url(forResource: "types", withExtension: "safetensors", subdirectory: "Fixtures"))
    let file = try Safetensors(reading: url.path)
    let values: [Float] = [0, -0.0, 1.5, -2.25, 65504, 0x1p-14]
    #expect(file.tensors["f32"] == .init(shape: [2, 3], values: values))
    // Eight significant bits.
    #expect(file.tensors["bf16"] == .init(shape: [2, 3], values: [0, -0.0, 1.5, -2.25, 65536, 0x1p-14]))
    #expect(file.tensors["f16"] == .init(shape: [8], values: values + [0x1p-24, .infinity]))
    #expect(file.tensors["f64"] == .init(shape: [2, 3], values: values.map { Float(Double($0) / 3) }))
    #expect(file.tensors["scalar"] == .init(shape: [], values: [7]))
    #expect(file.tensors["empty"] == .init(shape: [0, 4], values: []))
    #expect(file.metadata == ["text": "a \"quoted\" line\nand ∇ log p"])
  }

  /// Damage anywhere gives an error or other numbers, never a crash.
  @Test("every damaged byte and every truncation is survived") func damage() throws {
    let whole = try Safetensors(
      tensors: ["b": .init(shape: [2, 2], values: [1, 2, 3, 4]), "a": .init(shape: [1], values: [5])],
      metadata: ["k": "v"]
    ).encoded()
    var refused = 0
    for index in whole.indices {
      for change in [UInt8(0), 0x20, 0x5b, 0xff] {
        var damaged = whole
        damaged[index] = change
        do { _ = try Safetensors(decoding: damaged) } catch is InputError { refused += 1 }
      }
      #expect(throws: InputError.self) { try Safetensors(decoding: whole.prefix(index)) }
    }
    // Most of the file is header, where a change rarely makes sense.
    #expect(refused > whole.count)
  }

  @Test("a malformed file is refused in one line", arguments: malformed)
  func refused(name: String, data: Data) {
    let error = #expect(throws: InputError.self) { try Safetensors(decoding: data) }
    #expect(error?.message.contains("\n") == false)
  }
}
