// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Σ_i x_ij, a row.
struct ColumnSums: TapeOperation {
  let x: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.repeatRow(g.tensor, rows: x.rows) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.columnSums($0) }
  }
}

extension Tape {
  /// Σ_i x_ij: rows × n to 1 × n.
  public func columnSums(_ x: Tensor) -> Tensor {
    let out = result(1, x.columns)
    ck_column_sums(out.values, x.values, x.rows, x.columns, 0)
    return record(.columnSums(ColumnSums(x: x)), out)
  }
}
