// SPDX-License-Identifier: GPL-3.0-or-later

/// What a solver tells beside its samples: rows of a table that has a file of its own among the results.
public struct SolveReport: Sendable, Equatable {
  /// The name of the file, as `particles.csv`.
  public let file: String
  /// The table's columns; numbers that are not known are empty.
  public let columns: [String]
  /// The rows, a field for each column.
  public let rows: [[String]]

  /// A table under a file's name.
  public init(file: String, columns: [String], rows: [[String]]) {
    (self.file, self.columns, self.rows) = (file, columns, rows)
  }
}

/// A solver that tells more than samples.
public protocol ReportingSolver: Solver {
  /// What there is to tell of rows that were solved.
  /// - Parameter rows: their numbers, as noise is keyed by them.
  func report(of rows: Range<Int>) -> SolveReport
}
