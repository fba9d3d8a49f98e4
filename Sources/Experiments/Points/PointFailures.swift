// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows of a table of points that could not be computed, with their reasons. The others are in the file.
struct PointFailures {
  private let failures: [Int: ComputationError]
  private let source: String
  /// How many are told one by one.
  private static let toldAtMost = 10

  /// - Parameters:
  ///   - failures: by row, from 0.
  ///   - files: where the rows come from.
  ///   - whose: what a row is, where it is not one of the input.
  init(_ failures: [Int: ComputationError], in files: PointFiles, whose: String? = nil) {
    self.failures = failures
    source = whose ?? files.input ?? "the held-out rows"
  }

  /// - Throws: `ExperimentFailure` that names the rows, if there are any.
  func requireNone(summary: String) throws {
    if failures.isEmpty { return }
    let rows = failures.keys.sorted()
    var reasons = rows.prefix(Self.toldAtMost).map { row in
      "\(source): row \(row), counted from 0: \(failures[row].map { "\($0)" } ?? "")"
    }
    if rows.count > Self.toldAtMost {
      reasons.append("\(source): \(rows.count - Self.toldAtMost) more rows, which the file has as nan")
    }
    throw ExperimentFailure(reasons: reasons, summary: summary)
  }
}
