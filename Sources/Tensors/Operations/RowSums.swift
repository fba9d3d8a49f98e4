// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Σ_j x_ij, a column.
struct RowSums: TapeOperation {
  let x: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.repeatColumn(g.tensor, columns: x.columns) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.rowSums($0) }
  }
}

extension Tape {
  /// Σ_j x_ij: rows × n to rows × 1.
  public func rowSums(_ x: Tensor) -> Tensor {
    let out = result(x.rows, 1)
    ck_row_sums(out.values, x.values, x.rows, x.columns)
    return record(.rowSums(RowSums(x: x)), out)
  }
}
