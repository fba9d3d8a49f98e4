// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import ScoreNetworks
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
    ("no shape", file(#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, body: 4)),
    ("another type", file(#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, body: 8)),
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

  @Test("a malformed file is refused in one line", arguments: malformed)
  func refused(name: String, data: Data) {
    let error = #expect(throws: InputError.self) { try Safetensors(decoding: data) }
    #expect(error?.message.contains("\n") == false)
  }
}
