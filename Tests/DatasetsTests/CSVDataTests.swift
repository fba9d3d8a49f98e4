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

  static let table = #"""
    x,y,class,name
    1,2,0,"a, b"
    3,4,1,c
    5,6,2,"say ""d"""

    7,8,0,
    9,10,1,"two
    lines"
    11,12,4,z
    """#

  @Test func textColumnsAreReadBesideNumbers() throws {
    try Self.withFile(Data(Self.table.utf8)) { path in
      let table = try NumericTable(reading: path, texts: ["name"])
      #expect(table.texts == [["a, b", "c", "say \"d\"", "", "two\nlines", "z"]])
      #expect(table.values.row(1) == [3, 4, 1] && table.values.count == 6)
      #expect(table.lines == [2, 3, 4, 6, 7, 9])
      let columns = try [table.column("class"), table.column("1")]
      #expect(columns == [2, 1])
      let numbered = try NumericTable(reading: path, texts: ["3"])
      #expect(numbered.texts == table.texts)
      #expect(throws: InputError("column 'name' is one of text; expected one of numbers", at: path)) {
        try table.column("name")
      }
      #expect(throws: InputError("has no column 'z'; allowed: x, y, class, name, or 0 to 3", at: path)) {
        try table.column("z")
      }
    }
    // Without a header, a text column is found by its number.
    try Self.withFile(Data("1,p\n2,q\n".utf8)) { path in
      let table = try NumericTable(reading: path, texts: ["1"])
      #expect(table.texts == [["p", "q"]] && table.values.values == [1, 2] && table.header == nil)
    }
  }

  @Test(arguments: [("1,\"a\n2,b\n", 1), ("1,a\n2,\"b\"c\n", 2), ("1,a\n2,b\"c\"\n", 2), ("1,a\n2,\"b\"\"\n", 2)])
  func brokenQuotesAreNamedByTheirLine(_ text: String, _ line: Int) throws {
    try Self.withFile(Data(text.utf8)) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path, texts: ["1"]) }
      #expect(error?.location == "\(path):\(line)")
    }
  }

  @Test func aColumnOfClassesBecomesTheConditions() throws {
    try Self.withFile(Data(Self.table.replacingOccurrences(of: ",name", with: ",3").utf8)) { path in
      // A header's name comes before a number: column 3 is both here.
      let table = try NumericTable(reading: path, texts: ["3"])
      #expect(table.texts[0].first == "a, b")
    }
    let text = "x,class\n" + (0..<7).map { "\(10 * $0),\($0 % 3)\n" }.joined()
    for name in ["class", "1"] {
      let source = try Self.withFile(Data(text.utf8)) { try CSVData(path: $0, conditions: .label(name)) }
      let data = try source.load(seed: 1)
      #expect(source.dimension == 1 && source.conditionShape == .classes(3))
      #expect(
        data.training.values == [0, 10, 20, 30, 40, 60] && data.trainingConditions == .labels([0, 1, 2, 0, 1, 0]))
      #expect(data.heldOut.values == [50] && data.heldOutConditions == .labels([2]))
    }
  }

  @Test func columnsOfNumbersAndOfTextBecomeTheConditions() throws {
    let text = "p,x,q,words\n" + (0..<6).map { "\($0),\(10 * $0),\(-$0),w \($0)\n" }.joined()
    try Self.withFile(Data(text.utf8)) { path in
      let texts = try CSVData(path: path, conditions: .text("words"))
      #expect(texts.dimension == 3 && texts.conditionShape == .text)
      let data = try texts.load(seed: 1)
      #expect(data.heldOutConditions == .texts(["w 5"]))
    }
    let plain = "p,x,q\n" + (0..<6).map { "\($0),\(10 * $0),\(-$0)\n" }.joined()
    try Self.withFile(Data(plain.utf8)) { path in
      let numbers = try CSVData(path: path, conditions: .numbers(["q", "0"]))
      let data = try numbers.load(seed: 1)
      #expect(numbers.dimension == 1 && numbers.conditionShape == .numbers(2))
      #expect(data.training.values == [0, 10, 20, 30, 40])
      #expect(data.trainingConditions[2] == .numbers([-2, 2]) && data.heldOutConditions[0] == .numbers([-5, 5]))
      #expect(throws: InputError("column '2' is named twice", at: path)) {
        try CSVData(path: path, conditions: .numbers(["q", "2"]))
      }
      #expect(throws: InputError("no column is left for the data", at: path)) {
        try CSVData(path: path, conditions: .numbers(["0", "1", "2"]))
      }
    }
  }

  @Test(arguments: ["-1", "0.5", "1000000"]) func whatIsNoClassIsNamedByItsLine(_ bad: String) throws {
    let text = "x,class\n" + (0..<6).map { "\($0),\($0 == 3 ? bad : "1")\n" }.joined()
    try Self.withFile(Data(text.utf8)) { path in
      let error = #expect(throws: InputError.self) { try CSVData(path: path, conditions: .label("class")) }
      #expect(error?.location == "\(path):5" && error?.message.contains("allowed: whole numbers from 0") == true)
    }
  }

  @Test func conditionsOfRowsAreReadFromAFile() throws {
    try Self.withFile(Data("class\n2\n0\n".utf8)) { path in
      let labels = try Conditions(reading: path, as: .classes(3))
      #expect(labels == .labels([2, 0]))
      #expect(throws: InputError("class 2; allowed: whole numbers below 2", at: "\(path):2")) {
        try Conditions(reading: path, as: .classes(2))
      }
      #expect(throws: InputError("rows of 1 values; a condition has 2", at: path)) {
        try Conditions(reading: path, as: .numbers(2))
      }
    }
    try Self.withFile(Data("1,2\n3,4\n".utf8)) { path in
      let conditions = try Conditions(reading: path, as: .numbers(2))
      #expect(conditions == .numbers(Batch(rows: [[1, 2], [3, 4]])))
    }
    try Self.withFile(Data("a cat\n\"a dog, a hat\"\n".utf8)) { path in
      let conditions = try Conditions(reading: path, as: .text)
      #expect(conditions == .texts(["a cat", "a dog, a hat"]))
    }
  }
}
