// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Whether the first line of a table names its columns.
///
/// With `header: auto` it does
/// - where a column that is asked for by name is in it, or, in a file beside the data's, where it repeats the header of
///   the data's file;
/// - where its fields are the whole numbers 0, 1, …, n − 1, as pandas names columns that have no names; before them an
///   empty field may stand, the name of pandas' index;
/// - where no field is a number or begins like one, and one at least is a name: neither empty (which the first field
///   may be) nor a word for a missing value, as NA.
///
/// It is a row where all its fields are numbers without quotes. Any other line is refused: it has a gap, a word among
/// numbers, or numbers in quotes, and nobody but its author knows what was meant. Columns that are dropped, or read as
/// text, do not count.
struct FirstLine {
  enum Verdict { case row, header, countingHeader }

  private let names: ColumnNames
  private let format: TableFormat
  private let marks: (point: Bool, comma: Bool)

  /// Words that stand for a missing value.
  private static let gaps: Set<String> = [
    "na", "n/a", "#n/a", "<na>", "nan", "+nan", "-nan", "null", "none", "nil", "missing", "inf", "+inf", "-inf",
    "infinity", "+infinity", "-infinity", "-", "?", ".",
  ]

  /// - Parameters:
  ///   - names: the table's columns, without a header.
  ///   - marks: the decimal marks that numbers may have.
  init(_ names: ColumnNames, _ format: TableFormat, marks: (point: Bool, comma: Bool)) {
    self.names = names
    self.format = format
    self.marks = marks
  }

  private enum Kind { case number, quotedNumber, likeNumber, empty, gap, name }

  private func kind(_ field: UnsafeBufferPointer<UInt8>, isQuoted: Bool) -> Kind {
    if field.isEmpty { return .empty }
    let value = DecimalNumber.value(field, point: marks.point, comma: marks.comma).value
    if !value.isNaN { return isQuoted ? .quotedNumber : .number }
    if Self.gaps.contains(String(decoding: field.prefix(20), as: UTF8.self).lowercased()) { return .gap }
    let signs = [UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: ",")]
    let first = field.first { !signs.contains($0) }
    return first.map { $0 &- 48 < 10 } ?? true ? .likeNumber : .name
  }

  /// Reads the record that comes next.
  /// - Parameters:
  ///   - columns: the columns that are numbers if the line is a row, in rising order.
  ///   - asked: the names by which columns are asked for.
  ///   - known: the header of the data's file.
  /// - Throws: `InputError` at file and line for a line that may be neither.
  func verdict(_ reader: CSVReader, columns: [Int], asked: [String], known: [String]?) throws -> Verdict {
    let asked = Set(asked.filter { Int($0) == nil })
    var (numbers, quoted, hasLikeNumber, hasName, isAsked) = (0, 0, false, false, false)
    var isKnown = known?.count == names.count
    // The first field that keeps the line from being a row, and the first that keeps it from being a header.
    var offender: (column: Int, text: String, kind: Kind, hint: String)?
    var nameless: Int?
    var (counted, isCounting, hasIndex) = (0, true, false)
    var (column, next) = (0, 0)
    while try reader.next() {
      if !asked.isEmpty || isKnown {
        let text = try reader.text()
        if asked.contains(text) { isAsked = true }
        if isKnown, known?[column] != text { isKnown = false }
      }
      if next < columns.count, columns[next] == column {
        next += 1
        let kind = kind(reader.bytes, isQuoted: reader.field.isQuoted)
        switch kind {
        case .number: numbers += 1
        case .quotedNumber: quoted += 1
        case .name: hasName = true
        case .likeNumber:
          numbers += 1
          hasLikeNumber = true
        case .empty:
          if column > 0 { nameless = nameless ?? column }
          hasIndex = hasIndex || column == 0
        case .gap: break
        }
        if kind != .number { offender = offender ?? (column, reader.shown, kind, reader.hint) }
        if kind == .number || kind == .quotedNumber, reader.bytes.elementsEqual(String(counted).utf8) {
          counted += 1
        } else if kind != .empty || column > 0 {
          isCounting = false
        }
      }
      column += 1
      if reader.endsRecord { break }
    }
    if isAsked || isKnown { return .header }
    let isLong = counted > 1 || hasIndex || column == 1 && format.countsOne
    if isCounting, counted > 0, isLong, format.countsAreNames { return .countingHeader }
    guard let offender else { return .row }
    // Where the data's file has no header, numbers in quotes are values.
    if numbers + quoted == columns.count, !hasLikeNumber, !format.countsAreNames { return .row }
    if hasName, numbers == 0, quoted == 0 {
      guard let nameless else { return .header }
      throw reader.error("\(names.text(nameless)) has no name in this header; say header: yes to read it nevertheless")
    }
    let place = "in \(names.text(offender.column))"
    switch offender.kind {
    case .quotedNumber:
      throw reader.error(
        "the number \(offender.text) \(place) stands in quotes: a name or a value? Say header: yes or header: no")
    case .empty: throw reader.error("nothing \(place); allowed: a finite number (or say header: yes)")
    default:
      let remedy = offender.hint.isEmpty ? " (a header's line: say header: yes)" : offender.hint
      throw reader.error("\(offender.text) \(place) is not a finite number\(remedy)")
    }
  }
}
