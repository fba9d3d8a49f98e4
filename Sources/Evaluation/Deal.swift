// SPDX-License-Identifier: GPL-3.0-or-later

/// Rows dealt to parts by their numbers alone, so that every part is like the whole: by the multiples of the golden ratio
/// modulo 1, which fall evenly into intervals along every arithmetic sequence (Knuth 1973, section 6.4). Row i modulo the
/// number of parts would put rows of one class into one part where classes take turns.
enum Deal {
  /// The part of a row. Parts differ by a few rows in size.
  static func part(_ row: Int, of parts: Int) -> Int {
    Int((UInt64(row) &* 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: UInt64(parts)).high)
  }

  /// The rows of a part, in their order.
  static func rows(_ part: Int, of parts: Int, count: Int) -> [Int] {
    (0..<count).filter { self.part($0, of: parts) == part }
  }
}
