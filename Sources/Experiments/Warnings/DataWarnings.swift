// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

/// What is odd about the rows themselves.
struct DataWarnings {
  let plan: ExperimentPlan
  let preview: DataPreview

  var lines: [(key: String, text: String)] { constant + missing }

  /// Classes that a network is told of, and never sees.
  private var missing: [(key: String, text: String)] {
    guard let occurring = plan.model.occurringClasses, let known = plan.network?.conditionShape.classCount else {
      return []
    }
    let absent = (0..<known).filter { !occurring.contains($0) }
    guard let first = absent.first else { return [] }
    let others = absent.count > 1 ? ", as \(absent.count - 1) more," : ""
    return [
      (
        "data",
        "class \(first)\(others) never occurs in the rows to train on, and is not drawn; remedy: labels from 0 on without "
          + "gaps, or more rows"
      )
    ]
  }

  /// Values that never change have no law to learn. Readers of files tell of constant columns themselves.
  private var constant: [(key: String, text: String)] {
    let rows = preview.data
    guard rows.count > 1 else { return [] }
    let columns = (0..<rows.dimension).filter { j in (1..<rows.count).allSatisfy { rows[$0, j] == rows[0, j] } }
    let isTold = plan.data.notes.contains { $0.contains("constant") }
    // Readers of images tell of all rows.
    if columns.count == rows.dimension && !(isTold && preview.image != nil) {
      return [("data", "all rows are equal: there is nothing to learn; remedy: other data")]
    }
    guard !isTold, preview.image == nil, let first = columns.first else { return [] }
    let others = columns.count > 1 ? " and \(columns.count - 1) more" : ""
    return [
      (
        "data",
        "column \(first)\(others) never changes (\(written(rows[0, first]))): noise is learned there for nothing; remedy: "
          + "data without it"
      )
    ]
  }
}
