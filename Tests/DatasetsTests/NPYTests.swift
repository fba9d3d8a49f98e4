// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Testing

/// A file of NumPy's format with a header as written, and values as bytes.
func npy(_ header: String, version: UInt8 = 1, _ values: [UInt8]) -> [UInt8] {
  var text = Array(header.utf8)
  let start = version == 1 ? 10 : 12
  while (start + text.count + 1) % 64 != 0 { text.append(32) }
  text.append(10)
  let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(text.count >> (8 * $0) & 255) }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + text + values
}

func npy(_ type: String, _ shape: String, fortran: Bool = false, version: UInt8 = 1, _ values: [UInt8]) -> [UInt8] {
  npy(
    "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': \(shape), }", version: version,
    values)
}

@Suite struct NPYTests {
  private func read(_ bytes: [UInt8]) throws -> Batch {
    try withTable(Data(bytes)) { try NumericTable(reading: $0).values }
  }

  private func bytes<Value>(_ values: [Value]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  /// 1, 2, 3, 100 as each type.
  @Test(arguments: [
    "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8",
  ])
  func allTypesAndBothByteOrdersAreRead(_ type: String) throws {
    let values: [UInt8] =
      switch type {
      case "i1", "u1": [1, 2, 3, 100]
      case "i2", "u2": bytes([1, 2, 3, 100] as [Int16])
      case "i4", "u4": bytes([1, 2, 3, 100] as [Int32])
      case "i8", "u8": bytes([1, 2, 3, 100] as [Int64])
      case "f2": bytes([0x3C00, 0x4000, 0x4200, 0x5640] as [UInt16])
      case "f4": bytes([1, 2, 3, 100] as [Float])
      default: bytes([1, 2, 3, 100] as [Double])
      }
    let size = values.count / 4
    let swapped = (0..<4).flatMap { Array(values[$0 * size..<($0 + 1) * size].reversed()) }
    for version in [1, 2, 3] as [UInt8] {
      #expect(try read(npy("<" + type, "(2, 2)", version: version, values)) == Batch(rows: [[1, 2], [3, 100]]))
      #expect(try read(npy(">" + type, "(2, 2)", version: version, swapped)) == Batch(rows: [[1, 2], [3, 100]]))
    }
    #expect(try read(npy(type, "(4,)", values)).values == [1, 2, 3, 100])
    #expect(try read(npy("<" + type, "(2, 2)", fortran: true, values)) == Batch(rows: [[1, 3], [2, 100]]))
  }

  @Test func signsHalvesAndTruthValuesAreRead() throws {
    #expect(try read(npy("<i2", "(2,)", [0xFF, 0xFF, 0, 0x80])).values == [-1, -32768])
    #expect(try read(npy("|b1", "(3, 1)", [0, 1, 1])).values == [0, 1, 1])
    #expect(try read(npy("<f2", "(3,)", [1, 0, 0, 0xC0, 0xFF, 0x7B])).values == [0x1p-24, -2, 65504])
  }

  /// A row of an array of more dimensions is flattened with the last index fastest, whatever the order in the file.
  @Test func moreDimensionsAreFlattened() throws {
    // a[i, j, k] = 100 i + 10 j + k, of shape (2, 3, 2).
    let rows: [[Double]] = [[0, 1, 10, 11, 20, 21], [100, 101, 110, 111, 120, 121]]
    let fortran: [UInt8] = [0, 100, 10, 110, 20, 120, 1, 101, 11, 111, 21, 121]
    #expect(try read(npy("|u1", "(2, 3, 2)", rows.flatMap { $0.map { UInt8($0) } })) == Batch(rows: rows))
    #expect(try read(npy("|u1", "(2, 3, 2)", fortran: true, fortran)) == Batch(rows: rows))
  }

  @Test func numpysOwnFilesAreRead() throws {
    // numpy.save of numpy.array([[1.5, 2], [3, 4], [5, 6]], order="F"), and of one that Python 2 wrote.
    let values = bytes([1.5, 3, 5, 2, 4, 6] as [Double])
    #expect(try read(npy("<f8", "(3, 2)", fortran: true, values)) == Batch(rows: [[1.5, 2], [3, 4], [5, 6]]))
    #expect(try read(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3L, 2L), }", values)).count == 3)
    #expect(try read(npy("{\"shape\":(6,),\"fortran_order\":False,\"descr\":\"<f8\"}", values)).dimension == 1)
  }

  @Test(arguments: [
    (npy("<f8", "(2, 2)", [UInt8](repeating: 0, count: 31)), "ends after 31 of the 32 bytes"),
    (npy("<f8", "(2, 2)", [UInt8](repeating: 0, count: 33)), "1 bytes behind"),
    (npy("<f8", "()", [UInt8](repeating: 0, count: 8)), "a single value"), (npy("<f8", "(0, 2)", []), "no values"),
    (npy("<f8", "(4611686018427387904, 4)", []), "no file can hold"),
    (npy("<f8", "(18446744073709551616, 1)", []), "no whole number of 64 bits"), (npy("<f8", "(-1, 2)", []), "size"),
    (npy("|O", "(2,)", []), "'|O'"), (npy("<U5", "(2,)", []), "'<U5'"), (npy("<c16", "(1,)", []), "'<c16'"),
    (npy("|f8", "(1,)", []), "'|f8'"), (npy("<f16", "(1,)", []), "'<f16'"), (npy("", "(1,)", []), "''"),
    (npy("{'descr': [('x', '<f8'), ('y', '<i4')], 'fortran_order': False, 'shape': (1,), }", []), "more than one type"),
    (npy("{'descr': '<f8', 'shape': (1,), }", []), "fortran_order"), (npy("{", []), "lacks"), (npy("", []), "lacks"),
    (npy("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", []), "twice"),
    (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'more': True}", []), "nothing else"),
    (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), } x", []), "behind its end"),
    (npy("{'descr': [", []), "list without an end"), (npy("{'descr", []), "without an end"),
    (npy("<f8", "(1,)", version: 4, []), "version 4.0"), (Array(npy("<f8", "(1,)", []).prefix(20)), "ends within"),
    (Array(npy("<f8", "(1,)", []).prefix(7)), "ends within"),
    (npy("<f8", "(" + repeated("1, ", 65) + ")", []), "65 dim"),
  ])
  func brokenFilesAreRefused(_ bytes: [UInt8], _ says: String) throws {
    try withTable(Data(bytes)) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.location == path && error?.message.contains(says) == true, "\(error?.message ?? "")")
    }
  }

  private static func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

  @Test func valuesThatAreNoNumbersAreNamedByTheirRow() throws {
    try withTable(Data(npy("<f8", "(2, 2)", bytes([1, 2, 3, .nan] as [Double])))) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.message == "row 2 holds nan, which is not a finite number, in column 2")
    }
    try withTable(Data(npy("<i8", "(2,)", bytes([1, 1 << 53 + 1] as [Int64])))) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.message == "row 2 holds a whole number that no double holds, in column 1")
    }
  }

  /// A source's rows stay in the file, and are the same as those of the table in text.
  @Test func arraysAreDataAsTablesAre() throws {
    let rows = (0..<30).map { i in (0..<3).map { j in Double(i * 7 % 11 + 20 * j) } }
    let text = rows.map { $0.map { "\(Int($0))" }.joined(separator: ",") + "\n" }.joined()
    try withFolder([
      "a.npy": npy("|u1", "(30, 3)", rows.flatMap { $0.map { UInt8($0) } }), "a.csv": Array(text.utf8),
    ]) { folder in
      let columns = TableColumns(columns: ["2", "0"], conditions: .label("1"))
      let (array, table) = try (
        CSVData(path: "\(folder)/a.npy", columns: columns), CSVData(path: "\(folder)/a.csv", columns: columns)
      )
      let (a, b) = try (array.load(seed: 3), table.load(seed: 3))
      #expect(a.training.values == b.training.values && a.heldOut.values == b.heldOut.values)
      #expect(a.trainingConditions == b.trainingConditions && array.conditionShape == .classes(31))
      let given = try table.readRows("\(folder)/a.npy", dimension: 2, areStates: false)
      #expect(given.rows.row(1) == [47, 7] && given.conditions[1] == .label(27))
      let images = try CSVData(
        path: "\(folder)/a.npy", shape: ImageShape(height: 1, width: 1, channels: 3), range: 0...50)
      let data = try images.load(seed: 3)
      #expect(data.training.values.allSatisfy { (-1...1).contains($0) } && images.levels?.levels == 51)
      #expect(throws: InputError.self) {
        try CSVData(path: "\(folder)/a.npy", columns: TableColumns(conditions: .text("1")))
      }
      #expect(throws: InputError.self) { try CSVData(path: "\(folder)/a.npy", format: TableFormat(header: .yes)) }
    }
  }

  /// 300 MiB, of which 200 rows are written: rows are read from the file when they are asked for.
  @Test func aTableAboveTheLimitStaysInItsFile() throws {
    let path = NSTemporaryDirectory() + "score-sde-\(UUID().uuidString).npy"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let rows = 300 << 10
    var start = npy("|u1", "(\(rows), 1024)", [])
    let header = start.count
    for i in 0..<200 { start += [UInt8(i)] + [UInt8](repeating: 7, count: 1023) }
    try Data(start).write(to: URL(fileURLWithPath: path))
    #expect(truncate(path, off_t(header + rows * 1024)) == 0)
    let data = try CSVData(path: path).load(seed: 3)
    #expect(data.trainingRows.count + data.heldOutRows.count == rows && data.heldOutRows.count == rows / 6)
    let (training, heldOut) = (data.trainingRows.prefix(100), data.heldOutRows.prefix(10))
    let firsts = ((0..<100).map { training[$0, 0] } + (0..<10).map { heldOut[$0, 0] }).sorted()
    // Every row is on one side, in its order, whole.
    #expect(Set(firsts).count == 110 && firsts.prefix(60) == (0..<60).map(Double.init)[...])
    #expect((0..<100).allSatisfy { training[$0, 1] == 7 && training[$0, 1023] == 7 })
  }
}
