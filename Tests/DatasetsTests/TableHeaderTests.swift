// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Testing

/// Whether a first line is a header, a row, or refused.
@Suite struct TableHeaderTests {
  @Test(arguments: [
    // As pandas names columns that have no names, without and with its index.
    ("0,1\n5,6\n", ["0", "1"]), ("0;1;2\n5;6;7\n", ["0", "1", "2"]), (",0,1\n0,5,6\n", ["", "0", "1"]),
    ("\"0\",\"1\"\n5,6\n", ["0", "1"]), ("0\n5\n", ["0"]),
    // Names; that of an index may be missing.
    ("x,y\n5,6\n", ["x", "y"]), (",x\n0,5\n", ["", "x"]), ("\"\",\"x\"\n\"1\",5\n", ["", "x"]),
    ("Na,Mg\n5,6\n", ["Na", "Mg"]), ("x1,#2\n5,6\n", ["x1", "#2"]), ("sepal length (cm),y\n5,6\n", nil),
  ])
  func namesAreAHeader(_ text: String, _ header: [String]?) throws {
    let table = try withTable(text) { try NumericTable(reading: $0) }
    #expect(table.header == header ?? ["sepal length (cm)", "y"])
    #expect(table.values.count == 1)
    #expect(table.notes.count == (header?.last.flatMap { Int($0) } == nil ? 0 : 1))
  }

  @Test(arguments: ["0,2\n5,6\n", "1,0\n5,6\n", "1,2\n5,6\n", "0.0,1.0\n5,6\n", "0,1,3\n5,6,7\n", "0,-1\n5,6\n"])
  func numbersAreARow(_ text: String) throws {
    let table = try withTable(text) { try NumericTable(reading: $0) }
    #expect(table.header == nil && table.values.count == 2 && table.notes.isEmpty)
  }

  /// A row with a gap, a word or a quote in it is never a header: it would vanish, and all rows after it would change
  /// between training and held out.
  @Test(arguments: [
    "5.1,,1.4\n1,2,3\n", "NA,2,3\n1,2,3\n", "5.1,nan,1.4\n1,2,3\n", "\"5.1\",2,3\n1,2,3\n", "5.1cm,2cm,3cm\n1,2,3\n",
    ",2,3\n1,2,3\n", "NA,NA,NA\n1,2,3\n", ",,\n1,2,3\n", "x,y,2020\n1,2,3\n", "x,,z\n1,2,3\n", "inf,2,3\n1,2,3\n",
    "5.1,x,1.4\n1,2,3\n", "2020-01-01,x,y\n1,2,3\n", "\"5.1\",\"2\",\"3\"\n1,2,3\n",
    "?,2,3\n1,2,3\n", "1.4,-,2\n1,2,3\n", "x,y,\n1,2,3\n", "-,-,-\n1,2,3\n",
  ])
  func whatIsNeitherIsRefusedAtLineOne(_ text: String) throws {
    try withTable(text) { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path) }
      #expect(error?.location == "\(path):1")
    }
  }

  @Test func theConfigDecides() throws {
    let yes = TableFormat(header: .yes)
    let no = TableFormat(header: .no)
    let years = try withTable("2020,2021\n5,6\n") { try NumericTable(reading: $0, format: yes) }
    #expect(years.header == ["2020", "2021"] && years.values.values == [5, 6] && years.notes.isEmpty)
    let counts = try withTable("0,1\n5,6\n") { try NumericTable(reading: $0, format: no) }
    #expect(counts.header == nil && counts.values.values == [0, 1, 5, 6] && counts.notes.isEmpty)
    let quoted = try withTable("\"0.5\",\"1\"\n5,6\n") { try NumericTable(reading: $0, format: no) }
    #expect(quoted.values.values == [0.5, 1, 5, 6])
    let gaps = try withTable("x,,z\n1,2,3\n") { try NumericTable(reading: $0, format: yes) }
    #expect(gaps.header == ["x", "", "z"])
    try withTable("x,y\n5,6\n") { path in
      let error = #expect(throws: InputError.self) { try NumericTable(reading: path, format: no) }
      #expect(error?.location == "\(path):1")
    }
  }

  @Test func aColumnAskedForByNameMakesAHeader() throws {
    let table = try withTable("name,2020\nx,5\n") { try NumericTable(reading: $0, texts: ["name"]) }
    #expect(table.header == ["name", "2020"] && table.values.values == [5])
  }

  @Test func aNameOfTwoColumnsIsNoName() throws {
    try withTable("x,x,y\n1,2,3\n") { path in
      let table = try NumericTable(reading: path)
      #expect(table.notes.count == 1 && table.notes[0].contains("'x'"))
      let error = #expect(throws: InputError.self) { try table.column("x") }
      #expect(error?.message == "names 2 columns 'x'; give a number: 0, 1")
    }
  }
}
