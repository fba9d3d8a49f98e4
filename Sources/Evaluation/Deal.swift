// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows dealt to parts by their numbers alone, so that every part is like the whole: by the multiples of the golden
/// ratio modulo 1, which fall evenly into intervals along arithmetic sequences of small steps (Knuth 1973, section
/// 6.4), or at random. Row i modulo the number of parts would put rows of one class into one part where classes take
/// turns.
enum Deal {
  /// The part of a row. Parts differ by a few rows in size.
  static func part(_ row: Int, of parts: Int) -> Int {
    Int((UInt64(row) &* 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: UInt64(parts)).high)
  }

  /// The rows of a part, in their order.
  static func rows(_ part: Int, of parts: Int, count: Int) -> [Int] {
    (0..<count).filter { self.part($0, of: parts) == part }
  }

  /// Parts whose sizes differ by at most one row, at random by fixed numbers: for a variance between parts, which has
  /// to be that of random parts whatever takes turns among the rows, and however many take turns.
  ///
  /// Golden parts are too much alike for that where up to twenty classes take turns, and too little where 34, 55 or 89
  /// do, whose multiples of the golden ratio are nearly whole: variances are then wrong by factors of 0.1 and 5.
  static func random(_ parts: Int, count: Int) -> [[Int]] {
    let keys = NoiseStream(seed: 0, purpose: .folds).uniforms(count: count, dimension: 1, step: 2).values
    let order = (0..<count).sorted { (keys[$0], $0) < (keys[$1], $1) }
    return (0..<parts).map { order[$0 * count / parts..<($0 + 1) * count / parts].sorted() }
  }
}
