// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// x_ij s_i for constants s.
struct ScaleRows: TapeOperation {
  let x, factors: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.scaleRows(g.tensor, by: factors) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.scaleRows($0, by: factors) }
  }
}

extension Tape {
  /// x_ij s_i for a column of constants s, through which no derivative flows: rows × n and rows × 1.
  public func scaleRows(_ x: Tensor, by s: Tensor) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_scale_rows(out.values, x.values, s.values, x.rows, x.columns)
    return record(.scaleRows(ScaleRows(x: x, factors: s)), out)
  }
}
