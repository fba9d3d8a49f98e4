// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The fitted numbers of a chain of maps as a text: a line for each map, numbers between blanks, in the shortest
/// decimals that read back exactly.
public enum FittedNumbers {
  /// The text of each map's numbers, a line for each map.
  public static func text(of maps: [[Double]]) -> String {
    maps.map { $0.map(\.description).joined(separator: " ") + "\n" }.joined()
  }

  /// - Throws: `InputError` without a location for what `text` did not write.
  public static func read(_ text: String) throws -> [[Double]] {
    try text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { line in
      try line.split(separator: " ").map { number in
        guard let value = Double(number), value.isFinite else {
          throw InputError("'\(number)' among the numbers of its coordinates")
        }
        return value
      }
    }
  }
}
