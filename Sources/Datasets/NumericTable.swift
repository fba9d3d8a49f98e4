// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A table of numbers from a CSV file (RFC 4180 without quotes), plain or gzipped; a first line that is not all numbers is
/// its header.
public struct NumericTable: Sendable {
  public let header: [String]?
  public let values: Batch
  /// FNV-1a of the file's (uncompressed) bytes.
  public let fingerprint: String

  /// - Throws: `InputError` at file and line for a missing file, ragged rows, fields that are no finite numbers, or no rows.
  public init(reading path: String) throws {
    let bytes = try FileBytes.contents(of: path)
    var header: [String]?
    var values: [Double] = []
    var columns = 0
    var line = 0
    // After a byte order mark, which spreadsheets write.
    var start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    while start < bytes.count {
      var end = start
      while end < bytes.count && bytes[end] != UInt8(ascii: "\n") { end += 1 }
      line += 1
      var stop = end
      if stop > start && bytes[stop - 1] == UInt8(ascii: "\r") { stop -= 1 }
      let text = String(decoding: bytes[start..<stop], as: UTF8.self)
      start = end + 1
      if text.isEmpty { continue }
      let fields = text.split(separator: ",", omittingEmptySubsequences: false).map(Self.trimmed)
      let numbers = fields.map { Double($0) }
      if columns == 0 && numbers.contains(where: { $0 == nil }) {
        header = fields
        columns = fields.count
        continue
      }
      if columns == 0 { columns = fields.count }
      guard fields.count == columns else {
        throw InputError("\(fields.count) values in this row, \(columns) in the first", at: "\(path):\(line)")
      }
      for (index, number) in numbers.enumerated() {
        guard let number, number.isFinite else {
          throw InputError("'\(fields[index])' in column \(index + 1) is not a finite number", at: "\(path):\(line)")
        }
        values.append(number)
      }
    }
    guard !values.isEmpty else { throw InputError("no rows of numbers", at: path) }
    self.header = header
    self.values = Batch(values: values, dimension: columns)
    var checksum = Checksum()
    checksum.add(bytes)
    fingerprint = checksum.text
  }

  private static func trimmed(_ field: Substring) -> String {
    var field = field
    while let first = field.first, first == " " || first == "\t" { field.removeFirst() }
    while let last = field.last, last == " " || last == "\t" { field.removeLast() }
    return String(field)
  }
}
