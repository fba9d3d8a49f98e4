// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Rows added up in a table, by constant indices.
struct ScatterRows: TapeOperation {
  let x, indices: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.gatherRows(g.tensor, indices) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.scatterRows($0, indices, rows: output.rows) }
  }
}

extension Tape {
  /// The adjoint of `gatherRows`: rows added up in a table of `rows` rows. The index `rows` stands for no row.
  public func scatterRows(_ x: Tensor, _ indices: Tensor, rows: Int) -> Tensor {
    let out = result(rows, x.columns)
    out.values.update(repeating: 0, count: out.count)
    for i in 0..<indices.rows where Int(indices.values[i]) < rows {
      let o = Int(indices.values[i]) * x.columns
      ck_sum(out.values + o, 1, out.values + o, 1, x.values + i * x.columns, x.columns)
    }
    return record(.scatterRows(ScatterRows(x: x, indices: indices)), out)
  }
}
