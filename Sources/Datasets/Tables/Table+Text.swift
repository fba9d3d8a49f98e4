// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Table {
  /// Reads a table in text: the header, where it has one, then row by row.
  init(
    text window: TextWindow, _ format: TableFormat, asked: [String], select: (ColumnNames) throws -> ColumnPlaces
  ) throws {
    // Spreadsheets begin a file with a byte order mark.
    let start = window.begins(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let separator = try format.separator.byte ?? Self.separator(window, from: start, usual: format.usualSeparator.byte)
    let reader = CSVReader(window, from: start, separator: separator)
    reader.setMark()
    var width = 0
    while try reader.next() {
      width += 1
      if reader.endsRecord { break }
    }
    guard width > 0 else { throw InputError("no rows of numbers", at: window.path) }
    var names = ColumnNames(header: nil, count: width, path: window.path)
    var marks = DecimalMarks(format, separator: separator)
    var notes: [String] = []
    reader.rewind()
    let verdict = try Self.verdict(reader, names, format, marks, asked, select)
    let headerLine = reader.recordLine
    reader.rewind()
    if verdict != .row {
      names = ColumnNames(header: try Self.header(reader, width), count: width, path: window.path)
      notes += names.notes(isCounting: verdict == .countingHeader, line: headerLine)
    }
    reader.removeMark()
    let places = try select(names)
    var body = TableBody(names, places)
    try body.read(reader, &marks)
    guard body.lines.count > 0 else { throw InputError("no rows of numbers", at: window.path) }
    if marks.isGuessedComma {
      notes.append(
        "\(window.path):\(marks.line): a comma in a number is read as a decimal comma, here and elsewhere; say decimal: "
          + "comma if it is one")
    }
    self.init(
      names: names, places: places, rows: TableRows(Batch(values: body.data, dimension: places.data.count)),
      numbers: places.numbers.isEmpty ? nil : Batch(values: body.numbers, dimension: places.numbers.count),
      texts: body.texts, fingerprint: window.fingerprint, hasCountingHeader: verdict == .countingHeader, notes: notes,
      lines: body.lines)
  }

  /// Whether the record that comes next is the header.
  private static func verdict(
    _ reader: CSVReader, _ names: ColumnNames, _ format: TableFormat, _ marks: DecimalMarks, _ asked: [String],
    _ select: (ColumnNames) throws -> ColumnPlaces
  ) throws -> FirstLine.Verdict {
    switch format.header {
    case .yes, .no:
      while try reader.next(), !reader.endsRecord {}
      return format.header == .yes ? .header : .row
    case .auto:
      let columns = (try? select(names)).map { ($0.data + $0.numbers).sorted() } ?? Array(0..<names.count)
      return try FirstLine(names, format, marks: (marks.point, marks.comma)).verdict(
        reader, columns: columns, asked: asked, known: format.knownHeader)
    }
  }

  private static func header(_ reader: CSVReader, _ width: Int) throws -> [String] {
    var header: [String] = []
    header.reserveCapacity(width)
    while try reader.next() {
      header.append(try reader.text())
      if reader.endsRecord { break }
    }
    return header
  }

  /// What stands between fields, as `TableFormat.Separator.auto` has it.
  private static func separator(_ window: TextWindow, from start: Int, usual: UInt8?) throws -> UInt8 {
    let all = [UInt8(ascii: "\t"), UInt8(ascii: ";"), UInt8(ascii: ",")]
    let candidates = (usual.map { [$0] } ?? []) + all.filter { $0 != usual }
    let (quote, lineFeed) = (UInt8(ascii: "\""), UInt8(ascii: "\n"))
    var counts = [[0, 0, 0], [0, 0, 0]]
    var (record, isEmpty, isQuoted) = (0, true, false)
    var i = start
    while record < 2 {
      if i == window.end {
        if window.isAtEnd { break }
        _ = try window.more()
        continue
      }
      let byte = window.bytes[i]
      i += 1
      if byte == quote { isQuoted.toggle() }
      if isQuoted { continue }
      if byte == lineFeed {
        if !isEmpty { record += 1 }
        isEmpty = true
        continue
      }
      if byte != UInt8(ascii: "\r") { isEmpty = false }
      if byte <= 59, let k = candidates.firstIndex(of: byte) { counts[record][k] += 1 }
    }
    let hasSecond = record == 2 || record == 1 && !isEmpty
    let even = candidates.indices.first { counts[0][$0] > 0 && (!hasSecond || counts[1][$0] == counts[0][$0]) }
    return (even ?? candidates.indices.first { counts[0][$0] > 0 }).map { candidates[$0] } ?? UInt8(ascii: ",")
  }
}

/// Which decimal marks numbers may still have: after the first number with a mark, only that one.
struct DecimalMarks {
  private(set) var point: Bool
  private(set) var comma: Bool
  /// The line of the first number with a mark, where either was allowed.
  private(set) var line = 0

  init(_ format: TableFormat, separator: UInt8) {
    point = format.decimal != .comma
    comma = format.decimal == .comma || format.decimal == .auto && separator != UInt8(ascii: ",")
  }

  var isGuessedComma: Bool { line > 0 && comma }

  mutating func found(_ mark: UInt8, line: Int) {
    guard point && comma else { return }
    point = mark == UInt8(ascii: ".")
    comma = !point
    self.line = line
  }

  /// The complaint about a field that is no number with these marks.
  func complaint(_ reader: CSVReader, _ column: String) -> InputError {
    let (bytes, shown) = (reader.bytes, reader.shown)
    if bytes.isEmpty { return reader.error("nothing in \(column); allowed: a finite number") }
    let other = DecimalNumber.value(bytes, point: true, comma: true)
    guard !other.value.isNaN, other.mark != 0 else {
      return reader.error("\(shown) in \(column) is not a finite number\(reader.hint)")
    }
    let found = other.mark == UInt8(ascii: ",") ? "comma" : "point"
    let reason =
      line > 0
      ? "the number in line \(line) has the other mark" : "say decimal: \(found) if it is one"
    return reader.error("\(shown) in \(column) has a decimal \(found); \(reason)")
  }
}
