// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// x + rows of a table by constant indices.
struct AddRows: TapeOperation {
  let x, table, indices: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: table) { tape.scatterRows(g.tensor, indices, rows: table.rows) }
    tape.pass(g, on: g.adjoint, to: x)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(d(x), d(table).map { tape.gatherRows($0, indices) })
  }
}

extension Tape {
  /// silu(x + rows of a table) in one pass over x, whose memory is then taken: for an x that nobody else will read.
  /// - Parameters:
  ///   - x: rows × n.
  ///   - table: any number of rows × n.
  ///   - indices: rows × 1, the row of the table that each row of x gets.
  public func rowsThenSilu(_ x: Tensor, _ table: Tensor, _ indices: Tensor) -> Tensor {
    precondition(indices.rows == x.rows && table.columns == x.columns, "a row of the table for each row")
    return biasThenSilu(x, table, indices: indices) { .addRows(AddRows(x: x, table: table, indices: indices)) }
  }

  /// The values that a column of constants has, where they are few beside its rows: at most a quarter of 64 or more.
  /// - Returns: the values in the order in which they first occur, n × 1, and which of them each row has; nil where
  ///   they are more, and where a derivative by them is wanted.
  public func fewValues(of column: Tensor) -> (values: Tensor, indices: Tensor)? {
    let (rows, most) = (column.rows, column.rows / 4)
    guard column.isConstant, column.columns == 1, rows >= 64 else { return nil }
    let (values, indices) = (constant(rows: most, columns: 1), constant(rows: rows, columns: 1))
    var count = 0
    for i in 0..<rows {
      let value = column.values[i]
      // Rows of equal values often follow one another.
      var place = i > 0 ? Int(indices.values[i - 1]) : 0
      if place >= count || values.values[place] != value {
        place = 0
        while place < count && values.values[place] != value { place += 1 }
      }
      if place == count {
        if count == most { return nil }
        values.values[count] = value
        count += 1
      }
      indices.values[i] = Float(place)
    }
    return (Tensor(values: values.values, rows: count, columns: 1), indices)
  }
}
