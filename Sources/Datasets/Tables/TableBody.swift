// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The rows of a table in text, as they are read.
struct TableBody {
  /// Row by row, each in the order in which the columns are asked for.
  private(set) var data: [Double] = []
  private(set) var numbers: [Double] = []
  private(set) var texts: [[String]]
  private(set) var lines = RowLines()
  private let names: ColumnNames
  private let places: ColumnPlaces
  /// What becomes of a column: k ≥ 0: the k-th number of a row, data first; −1: nothing; −2 − k: the k-th text. Empty:
  /// all columns are data in the order of the file.
  private let uses: [Int32]

  init(_ names: ColumnNames, _ places: ColumnPlaces) {
    self.names = names
    self.places = places
    texts = Array(repeating: [], count: places.texts.count)
    if places.numbers.isEmpty, places.texts.isEmpty, places.data.elementsEqual(0..<names.count) {
      uses = []
      return
    }
    var uses = [Int32](repeating: -1, count: names.count)
    for (k, column) in (places.data + places.numbers).enumerated() { uses[column] = Int32(k) }
    for (k, column) in places.texts.enumerated() { uses[column] = Int32(-2 - k) }
    self.uses = uses
  }

  /// Reads all records that are left.
  /// - Throws: `InputError` at file and line for rows of another length, and for fields that are no finite numbers.
  mutating func read(_ reader: CSVReader, _ marks: inout DecimalMarks) throws {
    let width = names.count
    var row = [Double](repeating: 0, count: uses.isEmpty ? 0 : places.data.count + places.numbers.count)
    var (column, isReserved) = (0, false)
    while try reader.next() {
      if column == 0, width == 1, let line = reader.emptyLine {
        throw reader.error("nothing in this line; allowed: a value in each", line: line)
      }
      if column < width {
        if uses.isEmpty {
          data.append(try number(reader, column, &marks))
        } else {
          let use = Int(uses[column])
          if use >= 0 {
            row[use] = try number(reader, column, &marks)
          } else if use < -1 {
            texts[-2 - use].append(try reader.text())
          }
        }
      }
      column += 1
      guard reader.endsRecord else { continue }
      guard column == width else {
        throw reader.error("\(column) values in this row, \(width) in the first")
      }
      if !uses.isEmpty {
        data += row[..<places.data.count]
        numbers += row[places.data.count...]
      }
      lines.append(reader.recordLine)
      column = 0
      // Memory for all rows at once, as an array that grows by doubling holds up to three times its values.
      if !isReserved, data.count >= 4096 {
        isReserved = true
        data.reserveCapacity(Int(Double(data.count) / reader.progress * 1.01) + width)
      }
    }
  }

  @inline(__always)
  private func number(_ reader: CSVReader, _ column: Int, _ marks: inout DecimalMarks) throws -> Double {
    let (value, mark) = DecimalNumber.value(reader.bytes, point: marks.point, comma: marks.comma)
    if mark != 0 { marks.found(mark, line: reader.recordLine) }
    guard value.isFinite else {
      if value.isNaN { throw marks.complaint(reader, names.text(column)) }
      throw reader.error("\(reader.shown) in \(names.text(column)) is beyond the largest double")
    }
    return value
  }
}
