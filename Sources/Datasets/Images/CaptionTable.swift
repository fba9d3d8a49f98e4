// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// `captions.csv` of a folder of images: a header with the columns `file` and `caption`, in any order and beside any
/// others, then a line for every caption. A file may have several.
struct CaptionTable {
  /// The file's name within the folder, what it shows, and the line that says so.
  struct Entry {
    let file, caption: String
    let line: Int
  }

  static let name = "captions.csv"

  let path: String
  let entries: [Entry]

  /// - Parameter folder: the folder of images.
  /// - Throws: `InputError` at file and line for what is no such table, for a file's name that is empty or leads out of
  ///   the folder, and where no captions are.
  init(folder: String) throws {
    path = folder.appendingFile(Self.name)
    let window = try TextWindow(path)
    _ = try window.more()
    try Table.refuseOthers(window)
    // Spreadsheets begin a file with a byte order mark.
    let start = window.begins(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let reader = CSVReader(window, from: start, separator: UInt8(ascii: ","))
    guard let header = try Self.record(reader) else {
      throw InputError(
        "is empty; allowed: a header with the columns file and caption, and a line for each image", at: path)
    }
    let places = try ["file", "caption"].map { name in
      let found = header.indices.filter { header[$0] == name }
      guard found.count == 1 else {
        let columns = header.prefix(20).map(\.shown).joined(separator: ", ")
        throw reader.error(
          "\(found.isEmpty ? "no" : "more than one") column '\(name)' in this header (\(columns)); allowed: file and caption"
        )
      }
      return found[0]
    }
    var entries: [Entry] = []
    while let record = try Self.record(reader) {
      guard record.count == header.count else {
        throw reader.error(
          "\(record.count) values in this row, \(header.count) in the first; a caption with commas stands in quotes")
      }
      let (file, caption) = (record[places[0]], record[places[1]])
      guard !file.isEmpty else { throw reader.error("nothing in column file; allowed: an image in the folder") }
      guard !file.hasPrefix("/"), !file.split(separator: "/").contains("..") else {
        throw reader.error("'\(file.shown)' leads out of the folder; allowed: an image in it")
      }
      entries.append(Entry(file: file, caption: caption, line: reader.recordLine))
    }
    guard !entries.isEmpty else { throw InputError("has a header and no captions", at: path) }
    self.entries = entries
  }

  /// Where an entry stands, as `file:line`.
  func location(of entry: Entry) -> String { "\(path):\(entry.line)" }

  private static func record(_ reader: CSVReader) throws -> [String]? {
    var fields: [String] = []
    while try reader.next() {
      fields.append(try reader.text())
      if reader.endsRecord { return fields }
    }
    return fields.isEmpty ? nil : fields
  }
}
