// SPDX-License-Identifier: GPL-3.0-or-later

/// The time of each row.
public enum Times {
  /// One time for all rows.
  case all(Double)
  /// One value per row.
  case each(UnsafePointer<Double>)

  /// How many times there are for so many rows: 1 where the rows share one.
  public func distinct(_ count: Int) -> Int {
    switch self {
    case .all: 1
    case .each: count
    }
  }

  /// The time of one row.
  public func time(of row: Int) -> Double {
    switch self {
    case .all(let t): t
    case .each(let t): t[row]
    }
  }

  /// The times of the rows from `row` on.
  public func from(_ row: Int) -> Times {
    switch self {
    case .all: self
    case .each(let t): .each(t + row)
    }
  }

  /// Calls `body` on runs of rows that share a time, in the order of the rows.
  /// - Parameters:
  ///   - count: how many rows there are.
  ///   - body: takes a run of rows and its time.
  @inlinable
  public func forEachRun(_ count: Int, _ body: (_ rows: Range<Int>, _ t: Double) throws -> Void) rethrows {
    switch self {
    case .all(let t): try body(0..<count, t)
    case .each(let t): for row in 0..<count { try body(row..<row + 1, t[row]) }
    }
  }
}
