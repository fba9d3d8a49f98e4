// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension ColumnNames {
  /// What is odd about a header.
  func notes(isCounting: Bool, line: Int) -> [String] {
    guard let header else { return [] }
    var notes: [String] = []
    if isCounting {
      let numbers = header.filter { !$0.isEmpty }
      let shown =
        numbers.count > 3 ? "\(numbers[0]), …, \(numbers[numbers.count - 1])" : numbers.joined(separator: ", ")
      notes.append(
        "\(path):\(line): the numbers \(shown) are read as a header, as pandas names columns; if they are a row, say "
          + "header: no")
    }
    var seen: Set<String> = []
    var twice: [String] = []
    for name in header where !name.isEmpty && !seen.insert(name).inserted && !twice.contains(name) && twice.count < 6 {
      twice.append(name)
    }
    if !twice.isEmpty {
      let shown = twice.prefix(5).map { "'\($0.shown)'" }.joined(separator: ", ") + (twice.count > 5 ? ", …" : "")
      notes.append("\(path):\(line): more than one column is called \(shown); their numbers tell them apart")
    }
    return notes
  }
}

extension Table {
  /// What is odd about the columns of the data: those that count their rows, as an index does, those without a name in
  /// a header that has names, and, except for images, those that are constant.
  func columnNotes(areImages: Bool) -> [String] {
    guard rows.count >= 2 else { return [] }
    let (counting, constant) = scan()
    var notes: [String] = []
    func keys(_ columns: [Int]) -> String {
      columns.prefix(5).map { names.key($0) }.joined(separator: ", ") + (columns.count > 5 ? ", …" : "")
    }
    func text(_ columns: [Int]) -> String {
      columns.count == 1
        ? names.text(columns[0])
        : "columns " + columns.prefix(5).map { "\($0 + 1)" }.joined(separator: ", ")
          + (columns.count > 5 ? " and \(columns.count - 5) more" : "")
    }
    if rows.count >= 3, !counting.isEmpty {
      let does = counting.count == 1 ? "counts its rows, as an index does, and is" : "count their rows, and are"
      notes.append("\(path): \(text(counting)) \(does) read as data; drop: [\(keys(counting))] leaves that out")
    }
    let nameless = places.data.filter { column in
      let name = names.header?[column]
      return (name == "" || name?.hasPrefix("Unnamed: ") == true) && !counting.contains(column)
    }
    if !nameless.isEmpty {
      notes.append(
        "\(path): \(text(nameless)) has no name, as an index has none, and is read as data; drop: [\(keys(nameless))] "
          + "leaves it out")
    }
    if !areImages, !constant.isEmpty {
      notes.append(
        "\(path): \(text(constant)) \(constant.count == 1 ? "is" : "are") constant; drop: [\(keys(constant))] leaves "
          + "\(constant.count == 1 ? "it" : "them") out")
    }
    return notes
  }

  /// The columns of the data that count their rows from 0 or 1, and those that are constant: their places in the file.
  private func scan() -> (counting: [Int], constant: [Int]) {
    let dimension = rows.dimension
    var counting: [Int32] = []
    var constant: [Int32] = []
    let top = rows.only([0, 1]).batch()
    for j in 0..<dimension {
      let first = top[0, j]
      if first == top[1, j] { constant.append(Int32(j)) }
      if (first == 0 || first == 1) && top[1, j] == first + 1 { counting.append(Int32(j)) }
    }
    let size = max(1, (1 << 16) / dimension)
    for start in stride(from: 0, to: rows.count, by: size) {
      if counting.isEmpty && constant.isEmpty { break }
      let part = rows.rows(start..<min(rows.count, start + size))
      for row in 0..<part.count {
        counting.removeAll { part[row, Int($0)] != top[0, Int($0)] + Double(start + row) }
        constant.removeAll { part[row, Int($0)] != top[0, Int($0)] }
      }
    }
    return (counting.map { places.data[Int($0)] }, constant.map { places.data[Int($0)] })
  }
}
