// SPDX-License-Identifier: GPL-3.0-or-later
import Solvers

/// The tables that solvers fill beside their samples, a file each for all solvers.
struct SolveReports {
  private var tables: [String: CSVText] = [:]

  /// The files that solvers of this toolkit have.
  static let files = ["particles.csv"]

  /// Adds what a solver tells, if it does.
  /// - Parameters:
  ///   - solver: as it draws.
  ///   - name: as the config calls it.
  ///   - repetition: from 1.
  ///   - rows: the numbers of its rows.
  mutating func add(_ solver: any Solver, _ name: String, _ repetition: Int, rows: Range<Int>) {
    guard let report = (solver as? any ReportingSolver)?.report(of: rows) else { return }
    var table = tables[report.file] ?? CSVText(columns: ["solver", "repeat"] + report.columns)
    for row in report.rows { table.add([name, String(repetition)] + row) }
    tables[report.file] = table
  }

  /// Writes the tables. Files that no solver has filled go.
  func write(to folder: ResultsFolder) throws {
    for file in Set(Self.files).union(tables.keys).sorted() {
      if let table = tables[file] {
        try folder.write(table.text, to: file)
      } else {
        folder.remove(file)
      }
    }
  }
}
