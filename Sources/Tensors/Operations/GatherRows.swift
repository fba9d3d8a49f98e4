// SPDX-License-Identifier: GPL-3.0-or-later

/// Rows of a table by constant indices.
struct GatherRows: TapeOperation {
  let table, indices: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: table) { tape.scatterRows(g.tensor, indices, rows: table.rows) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(table).map { tape.gatherRows($0, indices) }
  }
}

extension Tape {
  /// The rows of a table with the given indices: an embedding. The index that follows the last row stands for no row
  /// and gives zeros.
  /// - Parameters:
  ///   - table: n × width.
  ///   - indices: a column of whole numbers from 0 to n.
  /// - Returns: as many rows as there are indices, × width.
  public func gatherRows(_ table: Tensor, _ indices: Tensor) -> Tensor {
    let out = result(indices.rows, table.columns)
    for i in 0..<indices.rows {
      let index = Int(indices.values[i])
      precondition((0...table.rows).contains(index), "an index beyond the table")
      let row = out.values + i * table.columns
      if index == table.rows {
        row.update(repeating: 0, count: table.columns)
      } else {
        row.update(from: table.values + index * table.columns, count: table.columns)
      }
    }
    return record(.gatherRows(GatherRows(table: table, indices: indices)), out)
  }
}
