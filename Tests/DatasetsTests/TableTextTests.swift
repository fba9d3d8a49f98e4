// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Testing

/// Writes a file, hands its path on, and removes it.
func withTable<R>(_ bytes: Data, _ body: (String) throws -> R) throws -> R {
  let path = NSTemporaryDirectory() + "score-sde-\(UUID().uuidString).csv"
  try bytes.write(to: URL(fileURLWithPath: path))
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(path)
}

func withTable<R>(_ text: String, _ body: (String) throws -> R) throws -> R {
  try withTable(Data(text.utf8), body)
}

/// Tables in text: what RFC 4180 says, separators, decimal marks, and errors at their lines.
@Suite struct TableTextTests {
  @Test(arguments: [
    "1,2\n3,4\n", "1, 2\r\n3 ,4\r\n", "1,2\n\n3,4", "x,y\n1,2\n3,4\n", "\u{FEFF}1,2\n3,4\n",
    "\u{FEFF}x,y\r\n1,2\r\n3,4",
    "1;2\n3;4\n", "1\t2\n3\t4\n", "x;y\n1;2\n3;4", "x\ty\n\n1\t2\n3\t4\n\n", "\"x\",\"y\"\n\"1\",2\n3,\"4\"\n",
    "1,2\n3,4\r\n\r\n",
  ])
  func numbersAreReadWhateverStandsBetweenThem(_ text: String) throws {
    let table = try withTable(text) { try NumericTable(reading: $0) }
    #expect(table.values == Batch(rows: [[1, 2], [3, 4]]))
    #expect(table.header == (text.contains("x") ? ["x", "y"] : nil))
    #expect(table.notes.isEmpty)
  }

  @Test(arguments: [
    ("1,2\n3\n", 2), ("1,2\n3,4,5\n", 2), ("1,2\n3,x\n", 2), ("1,2\n3,nan\n", 2), ("1,inf\n", 1), ("1,2\n3,\n", 2),
    ("a,b\n1,2\n3\n", 3), ("a,b\nc,d\n", 2), ("1,2\n3,0x10\n", 2), ("1,2\n3,1_000\n", 2), ("1,2\n3,1e400\n", 2),
    ("1,2\n3,1e\n", 2), ("1,2\n3,-\n", 2), ("1,2\n3,.\n", 2), ("1,2\n\"3\n\",4\n", 2), ("1,2\r3,4\r", 1),
    ("1,2\n3,\u{0}4\n", 2), ("1\n\n2\n", 2), ("\n1\n2\n", 1), ("1,2\n3,4\n5", 3), ("1,2\n,\n", 2),
    ("1,2\n3,\u{2212}4\n", 2), ("a,b\n1,2\n\"3,4\n", 3), ("1,2\n3,4\r", 2),
  ])
  func aBadRowIsNamedByItsLine(_ text: String, _ line: Int) throws {
    try withTable(text) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.location == "\(path):\(line)")
      #expect(error?.message.contains("\n") == false)
    }
  }

  @Test func theColumnIsNamedToo() throws {
    try withTable("age,height\n1,2\n3,four\n") { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.message == "'four' in column 2 (height) is not a finite number")
    }
  }

  @Test(arguments: ["", "\n\n", "a,b\n", "\u{FEFF}", "\r\n"]) func aFileWithoutNumbersIsRefused(_ text: String) throws {
    try withTable(text) { path in
      _ = #expect(throws: InputError("no rows of numbers", at: path)) { try NumericTable(reading: path) }
    }
  }

  @Test func missingFilesAndFoldersAreRefused() {
    #expect(throws: InputError("no such file", at: "/nowhere/a.csv")) { try NumericTable(reading: "/nowhere/a.csv") }
    #expect(throws: InputError.self) { try NumericTable(reading: "/tmp") }
  }

  /// What is no table in UTF-8 is refused by what it is.
  @Test(arguments: [
    ([0xFF, 0xFE, 0x31, 0, 0x2C, 0], "UTF-16"), ([0xFE, 0xFF, 0, 0x31], "UTF-16"), ([0x31, 0, 0x2C, 0], "zero byte"),
    ([0x50, 0x4B, 3, 4, 0, 0], "zip archive"), ([0x67, 0xF6, 0x2C, 0x79, 0x0A, 0x31, 0x2C, 0x32], "not UTF-8"),
    ([0x89, 0x48, 0x44, 0x46], "HDF5"), (Array("PAR1".utf8), "Parquet"),
  ])
  func otherFilesAreNamed(_ bytes: [UInt8], _ what: String) throws {
    try withTable(Data(bytes)) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.message.contains(what) == true)
    }
  }

  /// "1,2\n3,4\n", gzipped.
  static let zipped = Data(base64Encoded: "H4sIAAAAAAACAzPUMeIy1jHhAgBHk2yvCAAAAA==")!

  @Test func gzippedFilesAreRead() throws {
    let table = try withTable(Self.zipped) { try NumericTable(reading: $0) }
    #expect(table.values == Batch(rows: [[1, 2], [3, 4]]))
    let plain = try withTable("1,2\n3,4\n") { try NumericTable(reading: $0) }
    #expect(plain.fingerprint == table.fingerprint)
  }

  @Test(arguments: [11, 14, 20]) func truncatedGzipFilesAreRefused(_ length: Int) throws {
    try withTable(Self.zipped.prefix(length)) { path in
      _ = #expect(throws: InputError.self) { try NumericTable(reading: path) }
    }
  }

  // MARK: Quotes

  static let quotes = #"""
    x,y,"class, or kind",name
    1,2,0,"a, b"
    3,4,1,c
    5,6,2,"say ""d"""

    7,8,0,
    9,10,1,"two
    lines"
    11,12,4,z
    """#

  @Test func textColumnsAreReadBesideNumbers() throws {
    try withTable(Self.quotes) { path in
      let table = try NumericTable(reading: path, texts: ["name"])
      #expect(table.texts == [["a, b", "c", "say \"d\"", "", "two\nlines", "z"]])
      #expect(table.values.row(1) == [3, 4, 1] && table.values.count == 6)
      #expect(table.lines == [2, 3, 4, 6, 7, 9])
      let columns = try [table.column("class, or kind"), table.column("1")]
      #expect(columns == [2, 1])
      let numbered = try NumericTable(reading: path, texts: ["3"])
      #expect(numbered.texts == table.texts)
      #expect(throws: InputError("column 'name' is one of text; expected one of numbers", at: path)) {
        try table.column("name")
      }
      #expect(throws: InputError("has no column 'z'; allowed: x, y, class, or kind, name, or 0 to 3", at: path)) {
        try table.column("z")
      }
    }
    // Without a header, a text column is found by its number.
    try withTable("1,p\n2,q\n") { path in
      let table = try NumericTable(reading: path, texts: ["1"])
      #expect(table.texts == [["p", "q"]] && table.values.values == [1, 2] && table.header == nil)
    }
  }

  @Test(arguments: [
    ("1,\"a\n2,b\n", 1), ("1,a\n2,\"b\"c\n", 2), ("1,a\n2,b\"c\"\n", 2), ("1,a\n2,\"b\"\"\n", 2),
    ("1,a\n2,\"b\" \"\n", 2),
    ("1,a\n2,\"", 2),
  ])
  func brokenQuotesAreNamedByTheirLine(_ text: String, _ line: Int) throws {
    try withTable(text) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path, texts: ["1"]) }
      #expect(error?.location == "\(path):\(line)")
    }
  }

  /// Fields and records longer than the window that moves over the file: 256 KiB at first.
  @Test func fieldsMayBeAsLongAsTheFile() throws {
    let long = String(repeating: "\"\"ä, ", count: 150_000)
    let wide = (0..<100_000).map { "\($0 + 5)" }.joined(separator: ";")
    let table = try withTable("7,\"\(long)\"\n8,short\n") { try NumericTable(reading: $0, texts: ["1"]) }
    #expect(table.texts[0][0] == String(repeating: "\"ä, ", count: 150_000) && table.texts[0][1] == "short")
    #expect(table.values.values == [7, 8])
    let row = try withTable("\(wide)\n\(wide)\n") { try NumericTable(reading: $0) }
    #expect(row.values.count == 2 && row.values.dimension == 100_000 && row.values[1, 99_999] == 100_004)
    try withTable("1,2\n3,\(String(repeating: "9", count: 300_000))\n") { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.location == "\(path):2" && error?.message.count ?? 999 < 200)
    }
  }

  /// Every split of the text between the window's readings: rows of 7 to 11 bytes pass all places of a window.
  @Test func longFilesAreReadAsShortOnes() throws {
    var text = "x, \"y\"\r\n"
    var values: [Double] = []
    for i in 0..<60_000 {
      text += i % 3 == 0 ? "\(i), \"\(i % 7)\"\r\n" : "\(i).5,-\(i % 11)e1\n"
      values += i % 3 == 0 ? [Double(i), Double(i % 7)] : [Double(i) + 0.5, -10 * Double(i % 11)]
    }
    let table = try withTable(text) { try NumericTable(reading: $0) }
    #expect(table.values.values == values && table.header == ["x", "y"] && table.lines.last == 60_001)
  }

  // MARK: Decimal marks

  @Test(arguments: ["x;y\n1,5;2,25\n-3;,5\n", "1,5\t2,25\n-3\t0,5\n", "1,5; 2,25\r\n-3,0;0,5"])
  func decimalCommasAreReadWhereCommasPartNothing(_ text: String) throws {
    let table = try withTable(text) { try NumericTable(reading: $0) }
    #expect(table.values == Batch(rows: [[1.5, 2.25], [-3, 0.5]]))
    #expect(table.notes.count == 1 && table.notes[0].contains("decimal comma"))
    // Said, they are no guess.
    let said = try withTable(text) { try NumericTable(reading: $0, format: TableFormat(decimal: .comma)) }
    #expect(said.values == table.values && said.notes.isEmpty)
  }

  @Test(arguments: [
    ("1,5;2\n2.5;3\n", 2, "other mark"), ("1.5;2\n2,5;3\n", 2, "other mark"), ("1;2\n1.000,5;3\n", 2, "not a finite"),
    ("1,2\n\"1,5\",2\n", 2, "decimal: comma"), ("1;2\n1,000,000;3\n", 2, "not a finite"),
  ])
  func marksThatDoNotAgreeAreRefused(_ text: String, _ line: Int, _ says: String) throws {
    try withTable(text) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.location == "\(path):\(line)" && error?.message.contains(says) == true)
    }
  }

  @Test func theSeparatorMayBeSaid() throws {
    // A semicolon in a name, and in the first row of text.
    let text = "a;b,c;d\n1,2\n"
    let table = try withTable(text) { try NumericTable(reading: $0) }
    #expect(table.header == ["a;b", "c;d"])
    let other = try withTable("x,1;5\ny,2;6\n") {
      try NumericTable(reading: $0, texts: ["0"], format: TableFormat(separator: .semicolon))
    }
    #expect(other.texts == [["x,1", "y,2"]] && other.values.values == [5, 6])
    try withTable("1 2\n3 4\n") { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.message.contains("blanks") == true)
    }
  }

  /// Numbers are the nearest doubles: those of Swift's own reader.
  @Test func numbersAreTheNearestDoubles() throws {
    var texts = [
      "0", "-0", "+5", ".5", "5.", "1e5", "1E-5", "9007199254740993", "9007199254740992.5", "1e22", "1e23", "123e-25",
      "4.9e-324", "2.4703282292062327e-324", "1.7976931348623157e308", "0.1", "0.30000000000000004", "1e-22",
      "00012.50",
      "179769313486231570000000000000000000000", "0.000000000000000000000000000001", "18446744073709551615e-27",
      "9999999999999999999e-19", "12345678901234567890123", "0.12345678901234567890123",
    ]
    // Bits of all kinds, with 15 to 18 digits.
    for i in 1...4000 {
      let bits = UInt64(i) &* 0x9E37_79B9_7F4A_7C15
      let value = Double(sign: .plus, exponent: i % 120 - 60, significand: 1 + Double(bits >> 12) * 0x1p-52)
      texts += ["\(value)", "-\(Double(bits) * 1e-19)", "\(bits).\(bits % 1000)", "\(bits % 100_000)e\(i % 60 - 30)"]
    }
    let table = try withTable("value\n" + texts.joined(separator: "\n")) { try NumericTable(reading: $0) }
    #expect(table.values.values.map(\.bitPattern) == texts.map { Double($0)!.bitPattern })
  }
}
