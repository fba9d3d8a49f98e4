// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows of a table, in memory or in an `.npy` file, some or all, as they are or with a range of values mapped to
/// [−1, 1].
struct TableRows: DataRows {
  private enum Base: Sendable {
    case memory(Batch)
    case file(NPYFile, columns: [Int]?)
  }

  private let base: Base
  /// The rows of the base that these are; nil: all.
  private var selected: [Int]?
  /// What is mapped to −1, and half the width of what is mapped to [−1, 1]; nil: values stay.
  private var range: (low: Double, half: Double)?

  init(_ batch: Batch) { base = .memory(batch) }

  /// - Parameter columns: which of the file's columns, in this order; nil: all.
  init(_ file: NPYFile, columns: [Int]?) { base = .file(file, columns: columns) }

  var count: Int {
    if let selected { return selected.count }
    return switch base {
    case .memory(let batch): batch.count
    case .file(let file, _): file.header.count
    }
  }

  var dimension: Int {
    switch base {
    case .memory(let batch): batch.dimension
    case .file(let file, let columns): columns?.count ?? file.header.width
    }
  }

  /// Some of the rows, in the order given.
  func only(_ rows: [Int]) -> TableRows {
    var copy = self
    copy.selected = rows.map { row in selected.map { $0[row] } ?? row }
    return copy
  }

  /// The rows with [low, high] mapped to [−1, 1].
  func mapped(low: Double, high: Double) -> TableRows {
    var copy = self
    copy.range = (low, (high - low) / 2)
    return copy
  }

  /// Writes rows, one behind the other. It may run on many threads at once.
  func write(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>) {
    let dimension = dimension
    if let selected {
      for row in rows {
        writeBase(selected[row]..<selected[row] + 1, into: values + (row - rows.lowerBound) * dimension)
      }
    } else {
      writeBase(rows, into: values)
    }
    guard let range else { return }
    for i in 0..<rows.count * dimension { values[i] = (values[i] - range.low) / range.half - 1 }
  }

  private func writeBase(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>) {
    switch base {
    case .memory(let batch):
      batch.values.withUnsafeBufferPointer { all in
        guard let start = all.baseAddress else { return }
        values.update(from: start + rows.lowerBound * batch.dimension, count: rows.count * batch.dimension)
      }
    case .file(let file, let columns): file.write(rows, columns: columns, into: values)
    }
  }

  /// All rows in memory.
  func batch() -> Batch {
    if selected == nil, range == nil, case .memory(let batch) = base { return batch }
    var batch = Batch(count: count, dimension: dimension)
    batch.withRows { write(0..<$0.count, into: $0.values) }
    return batch
  }
}
