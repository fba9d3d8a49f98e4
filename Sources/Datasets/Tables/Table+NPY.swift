// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Table {
  /// The rows of an array.
  init(_ file: NPYFile, select: (ColumnNames) throws -> ColumnPlaces) throws {
    let names = ColumnNames(header: nil, count: file.header.width, path: file.path)
    let places = try select(names)
    guard places.texts.isEmpty else { throw InputError("is an .npy file, which holds no text", at: file.path) }
    let isWhole = places.data.elementsEqual(0..<names.count)
    let rows = TableRows(file, columns: isWhole ? nil : places.data)
    let numbers = places.numbers.isEmpty ? nil : TableRows(file, columns: places.numbers)
    for (rows, columns) in [(rows, places.data)] + (numbers.map { [($0, places.numbers)] } ?? []) {
      try rows.forEachChunk { x in
        for i in 0..<x.size where !x.values[i].isFinite {
          let column = columns[i % rows.dimension]
          let what =
            ["i", "u"].contains(file.header.kind)
            ? "a whole number that no double holds" : "\(x.values[i]), which is not a finite number"
          throw InputError(
            "row \(x.first + i / rows.dimension + 1) holds \(what), in \(names.text(column))", at: file.path)
        }
      }
    }
    self.init(
      names: names, places: places, rows: rows, numbers: numbers?.batch(), fingerprint: file.fingerprint)
  }
}
