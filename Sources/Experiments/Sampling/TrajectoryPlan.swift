// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Which rows are followed through a solve, and how often.
public struct TrajectoryPlan: Sendable, Equatable {
  /// Rising.
  public let rows: [Int]
  /// Every so many steps; the start and the end always.
  public let every: Int

  /// Reads `sampling.trajectories`.
  init(_ options: Options, count: Int) throws {
    let wanted = try options.numbers("rows", or: "first", "rows to follow, counted from 0; or the first ones")
    let first = try options.only(if: wanted == nil, needs: "rows: first") {
      try options.integer("first", default: 16, atLeast: 1, "how many rows from row 0 on, without `rows`")
    }
    every = try options.integer("every", default: 1, atLeast: 1, "of how many steps one is kept; first and last always")
    if let wanted {
      for row in wanted where row != row.rounded() || row < 0 || row >= Double(count) {
        throw options.wrong(
          "rows", "holds \(written(row)); allowed: whole numbers from 0, below count, which is \(count)")
      }
      guard Set(wanted).count == wanted.count else { throw options.wrong("rows", "names a row twice") }
      rows = wanted.map { Int($0) }.sorted()
    } else {
      rows = Array(0..<min(first, count))
    }
  }
}
