// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Σ_i s_i Σ_j x_ij² for constants s, a single value.
struct WeightedSquares: TapeOperation {
  let x, weights: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) {
      tape.product(
        tape.scale(tape.scaleRows(x, by: weights), by: 2),
        tape.repeatColumn(tape.repeatRow(g.tensor, rows: x.rows), columns: x.columns))
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.scale(tape.columnSums(tape.rowSums(tape.scaleRows(tape.product(x, $0), by: weights))), by: 2) }
  }
}

extension Tape {
  /// Σ_i s_i Σ_j x_ij² for a column of constants s, summed in double: rows × n and rows × 1 to 1 × 1.
  public func weightedSquares(_ x: Tensor, by s: Tensor) -> Tensor {
    let out = result(1, 1)
    out.values[0] = Float(ck_weighted_squares(x.values, s.values, x.rows, x.columns))
    return record(.weightedSquares(WeightedSquares(x: x, weights: s)), out)
  }
}
