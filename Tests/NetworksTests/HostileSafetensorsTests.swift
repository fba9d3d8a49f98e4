// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Tensors
import Testing

/// The published holes of readers of safetensors, and a few more.
@Suite("Hostile safetensors") struct HostileSafetensorsTests {
  private static func file(_ header: String, body: Int) -> Data { file(Data(header.utf8), body: body) }

  private static func file(_ header: Data, body: Int) -> Data {
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + Data(count: body)
  }

  private static func tensor(_ name: String, _ shape: String, _ begin: String, _ end: String) -> String {
    #""\#(name)":{"dtype":"F32","shape":\#(shape),"data_offsets":[\#(begin),\#(end)]}"#
  }

  /// A file on the disk that goes with the test.
  private func withFile<R>(_ data: Data, _ body: (String) throws -> R) throws -> R {
    let path = NSTemporaryDirectory() + "hostile-\(UUID().uuidString).safetensors"
    try data.write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    return try body(path)
  }

  @Test("tensors of no size that share an offset are read in any order, at every border") func zeroSizes() throws {
    let (a, b) = (Self.tensor("a", "[2]", "0", "8"), Self.tensor("b", "[1]", "8", "12"))
    let empty = [
      Self.tensor("x", "[0]", "0", "0"), Self.tensor("y", "[0,4611686018427387904]", "8", "8"),
      Self.tensor("z", "[3,0]", "8", "8"), Self.tensor("w", "[0]", "12", "12"),
    ]
    for order in [[a, b] + empty, empty + [b, a], [b] + empty.reversed() + [a]] {
      let read = try Safetensors(decoding: Self.file("{" + order.joined(separator: ",") + "}", body: 12))
      #expect(read.tensors.count == 6)
      for name in ["x", "y", "z", "w"] { #expect(try #require(read.tensors[name]).values.isEmpty) }
      #expect(try #require(read.tensors["a"]).values == [0, 0])
    }
    let inside = Self.tensor("x", "[0]", "4", "4")
    #expect(throws: InputError.self) { try Safetensors(decoding: Self.file("{\(a),\(b),\(inside)}", body: 12)) }
  }

  static let refused: [(String, String, Int)] = [
    ("impossible shape", tensor("a", "[4294967296,4294967296]", "0", "0"), 0),
    ("impossible shape", tensor("a", "[9223372036854775807,2]", "0", "8"), 8),
    ("impossible shape", tensor("a", "[4611686018427387904,4]", "0", "0"), 0),
    ("impossible shape", tensor("a", "[-1,-1]", "0", "4"), 4),
    ("whole numbers of 64 bits", tensor("a", "[18446744073709551616]", "0", "0"), 0),
    ("whole numbers of 64 bits", tensor("a", "[1]", "0", "1e400"), 4),
    ("whole numbers of 64 bits", tensor("a", "[1.0]", "0", "4"), 4),
    ("whole numbers of 64 bits", tensor("a", "[[1]]", "0", "4"), 4),
    ("whole numbers of 64 bits", tensor("a", "[true]", "0", "4"), 4),
    ("lies at 8 to 4", tensor("a", "[1]", "8", "4"), 8),
    ("lies at -4 to 0", tensor("a", "[1]", "-4", "0"), 4),
    ("lies at -9223372036854775808", tensor("a", "[1]", "-9223372036854775808", "9223372036854775807"), 4),
    ("lies at 0 to 9223372036854775807", tensor("a", "[1]", "0", "9223372036854775807"), 4),
    ("needs 12 bytes and has 4", tensor("a", "[3]", "0", "4"), 4),
    ("begins at 4, where 8 was expected", tensor("a", "[2]", "0", "8") + "," + tensor("b", "[2]", "4", "12"), 12),
    ("begins at 8, where 4 was expected", tensor("a", "[1]", "0", "4") + "," + tensor("b", "[1]", "8", "12"), 12),
    ("tensors of 4 bytes in a body of 8", tensor("a", "[1]", "0", "4"), 8),
    ("'a' is there twice", tensor("a", "[1]", "0", "4") + "," + tensor("a", "[1]", "4", "8"), 8),
    ("'a' is there twice", tensor("a", "[1]", "0", "4") + "," + tensor(#"\u0061"#, "[1]", "4", "8"), 8),
    ("dtype is there twice", #""a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}"#, 4),
    ("'__metadata__' is there twice", #""__metadata__":{"a":"b"},"__metadata__":{}"#, 0),
    ("metadata 'k' is there twice", #""__metadata__":{"k":"b","k":"c"}"#, 0),
    ("metadata 'k' that is not text", #""__metadata__":{"k":1}"#, 0),
    ("has 'offset'; allowed", #""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"offset":0}"#, 4),
    ("is of type F8_E4M3; allowed: F16", #""a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}"#, 1),
    ("dtype is no text", #""a":{"dtype":null,"shape":[1],"data_offsets":[0,1]}"#, 1),
    ("is not described", #""a":[]"#, 0),
    ("more than 2 numbers", #""a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}"#, 4),
    ("something follows the end", tensor("a", "[1]", "0", "4") + "}{", 4),
  ]

  @Test(arguments: refused) func isRefused(says: String, header: String, body: Int) {
    let error = #expect(throws: InputError.self) { try Safetensors(decoding: Self.file("{\(header)}", body: body)) }
    #expect(error?.message.contains(says) == true, "\(String(describing: error))")
    #expect(error?.message.contains("\n") == false)
  }

  @Test("headers of other bytes than UTF-8, of deep nesting, and of more than 100 MB") func headers() throws {
    var bytes = Data(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.utf8)
    bytes[2] = 0xff
    #expect(throws: InputError.self) { try Safetensors(decoding: Self.file(bytes, body: 4)) }
    for nest in ["[", #"{"a":"#, #"{"a":{"shape":["#] {
      let deep = String(repeating: nest, count: 100_000)
      #expect(throws: InputError.self) { try Safetensors(decoding: Self.file(deep, body: 0)) }
    }
    // A file of 101 MB that takes no room on the disk: its header is refused by its length.
    try withFile(Self.file("{}", body: 0)) { path in
      let handle = try #require(FileHandle(forUpdatingAtPath: path))
      try handle.write(contentsOf: withUnsafeBytes(of: UInt64(100_000_001).littleEndian) { Data($0) })
      try handle.truncate(atOffset: 101_000_000)
      try handle.close()
      let error = #expect(throws: InputError.self) { try Safetensors(reading: path) }
      #expect(error == InputError("a header of 100000001 bytes; allowed: 100000000", at: path))
    }
  }

  @Test("a header of 100,000 entries is read") func manyEntries() throws {
    let names = (0..<100_000).map { "t\($0)" }
    let entries = names.map { Self.tensor($0, "[0]", "0", "0") }
    let read = try Safetensors(decoding: Self.file("{" + entries.joined(separator: ",") + "}", body: 0))
    #expect(read.tensors.count == 100_000 && read.tensors["t99999"]?.shape == [0])
    #expect(throws: InputError.self) {
      try Safetensors(decoding: Self.file("{" + (entries + [entries[7]]).joined(separator: ",") + "}", body: 0))
    }
  }

  @Test("integers and flags are known, and are no parameters") func integers() throws {
    let types = [
      ("I64", 8), ("I32", 4), ("I16", 2), ("I8", 1), ("U8", 1), ("U16", 2), ("U32", 4), ("U64", 8), ("BOOL", 1),
    ]
    for (type, size) in types {
      let header = #"{"n":{"dtype":"\#(type)","shape":[3],"data_offsets":[0,\#(3 * size)]}}"#
      let read = try Safetensors(decoding: Self.file(header, body: 3 * size))
      let entry = try #require(read.tensors["n"])
      #expect(entry.shape == [3] && !entry.type.isFloat)
      let error = #expect(throws: InputError.self) { _ = try entry.values }
      #expect(error?.message == "numbers of type \(type); allowed: F16, BF16, F32, F64")
    }
  }

  @Test("a file that becomes shorter, a pipe and a folder are refused") func files() throws {
    let whole = try Safetensors(tensors: ["a": .init(shape: [4], values: [1, 2, 3, 4])]).encoded()
    try withFile(whole) { path in
      let read = try Safetensors(reading: path)
      let entry = try #require(read.tensors["a"])
      #expect(try entry.values == [1, 2, 3, 4])
      #expect(truncate(path, off_t(whole.count - 8)) == 0)
      let error = #expect(throws: InputError.self) { _ = try entry.values }
      #expect(error == InputError("cannot be read to its end (it has become shorter)", at: path))
      unlink(path)
      #expect(mkfifo(path, 0o600) == 0)
      #expect(throws: InputError("is not a file", at: path)) { try Safetensors(reading: path) }
    }
    let folder = NSTemporaryDirectory()
    #expect(throws: InputError("is not a file", at: folder)) { try Safetensors(reading: folder) }
  }
}
