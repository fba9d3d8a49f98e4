// SPDX-License-Identifier: GPL-3.0-or-later

/// The name nearest to what was typed, if any is near: one slip away for up to four letters, two for more. A slip is a
/// letter too many, too few, another one, or two neighbours exchanged (Damerau 1964). Names of one letter have no
/// neighbours but in case.
public func nearest(to typed: String, among names: [String]) -> String? {
  let letters = Array(typed.lowercased())
  guard letters.count <= 100 else { return nil }
  let limit = letters.count < 2 ? 0 : letters.count <= 4 ? 1 : 2
  let best = names.map { (name: $0, slips: slips(letters, Array($0.lowercased()))) }.min { $0.slips < $1.slips }
  return best.flatMap { $0.slips <= limit ? $0.name : nil }
}

/// How many slips lead from one text to another.
private func slips(_ a: [Character], _ b: [Character]) -> Int {
  // Rows of the table for the last two letters and this one.
  var (before, last, row) = ([Int](), [Int](), Array(0...b.count))
  for i in a.indices {
    (before, last) = (last, row)
    row[0] = i + 1
    for j in b.indices {
      row[j + 1] = min(row[j] + 1, last[j + 1] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { row[j + 1] = min(row[j + 1], before[j - 1] + 1) }
    }
  }
  return row[b.count]
}
