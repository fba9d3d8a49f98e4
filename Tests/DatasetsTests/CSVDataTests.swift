// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Testing

@Suite struct CSVDataTests {
  /// Writes a file, hands its path on, and removes it.
  static func withFile<R>(_ bytes: Data, _ body: (String) throws -> R) throws -> R {
    let path = NSTemporaryDirectory() + "score-sde-\(UUID().uuidString).csv"
    try bytes.write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
  }

  @Test(arguments: ["1,2\n3,4\n", "1, 2\r\n3 ,4\r\n", "1,2\n\n3,4", "x,y\n1,2\n3,4\n"])
  func numbersAreReadWhateverTheLineEnds(_ text: String) throws {
    let table = try Self.withFile(Data(text.utf8)) { try NumericTable(reading: $0) }
    #expect(table.values == Batch(rows: [[1, 2], [3, 4]]))
    #expect(table.header == (text.hasPrefix("x") ? ["x", "y"] : nil))
  }

  @Test(arguments: [
    ("1,2\n3\n", 2), ("1,2\n3,4,5\n", 2), ("1,2\n3,x\n", 2), ("1,2\n3,nan\n", 2), ("1,inf\n", 1), ("1,2\n3,\n", 2),
    ("a,b\n1,2\n3\n", 3), ("a,b\nc,d\n", 2),
  ])
  func aBadRowIsNamedByItsLine(_ text: String, _ line: Int) throws {
    try Self.withFile(Data(text.utf8)) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.location == "\(path):\(line)")
    }
  }

  @Test(arguments: ["", "\n\n", "a,b\n"]) func aFileWithoutNumbersIsRefused(_ text: String) throws {
    try Self.withFile(Data(text.utf8)) { path in
      _ = #expect(throws: InputError("no rows of numbers", at: path)) { try NumericTable(reading: path) }
    }
  }

  @Test func missingFilesAndFoldersAreRefused() {
    #expect(throws: InputError("no such file", at: "/nowhere/a.csv")) { try NumericTable(reading: "/nowhere/a.csv") }
    #expect(throws: InputError.self) { try NumericTable(reading: "/tmp") }
  }

  /// "1,2\n3,4\n", gzipped.
  static let zipped = Data(base64Encoded: "H4sIAAAAAAACAzPUMeIy1jHhAgBHk2yvCAAAAA==")!

  @Test func gzippedFilesAreRead() throws {
    let table = try Self.withFile(Self.zipped) { try NumericTable(reading: $0) }
    #expect(table.values == Batch(rows: [[1, 2], [3, 4]]))
    let plain = try Self.withFile(Data("1,2\n3,4\n".utf8)) { try NumericTable(reading: $0) }
    #expect(plain.fingerprint == table.fingerprint)
  }

  @Test(arguments: [11, 14, 20]) func truncatedGzipFilesAreRefused(_ length: Int) throws {
    try Self.withFile(Self.zipped.prefix(length)) { path in
      _ = #expect(throws: InputError.self) { try NumericTable(reading: path) }
    }
  }

  @Test func everySixthRowIsHeldOut() throws {
    let text = (0..<13).map { "\($0)\n" }.joined()
    let source = try Self.withFile(Data(text.utf8)) { try CSVData(path: $0) }
    let data = try source.load(seed: 1)
    #expect(data.heldOut.values == [5, 11] && data.training.values == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 12])
    #expect(source.dimension == 1 && !source.fingerprint.isEmpty)
  }

  @Test func shapesAndRowsMustSuffice() throws {
    let text = String(repeating: "1,2,3,4\n", count: 6)
    try Self.withFile(Data(text.utf8)) { path in
      let images = try CSVData(path: path, shape: ImageShape(height: 2, width: 2, channels: 1))
      #expect(images.imageShape?.count == 4)
      #expect(throws: InputError.self) { try CSVData(path: path, shape: ImageShape(height: 2, width: 3, channels: 1)) }
    }
    try Self.withFile(Data("1\n2\n3\n4\n5\n".utf8)) { path in
      _ = #expect(throws: InputError.self) { try CSVData(path: path) }
    }
  }
}
