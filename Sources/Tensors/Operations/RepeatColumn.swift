// SPDX-License-Identifier: GPL-3.0-or-later

/// A column repeated.
struct RepeatColumn: TapeOperation {
  let x: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.rowSums(g.tensor) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.repeatColumn($0, columns: output.columns) }
  }
}

extension Tape {
  /// A column, `columns` times: rows × 1 to rows × columns.
  public func repeatColumn(_ x: Tensor, columns: Int) -> Tensor {
    let out = result(x.rows, columns)
    for i in 0..<x.rows { (out.values + i * columns).update(repeating: x.values[i], count: columns) }
    return record(.repeatColumn(RepeatColumn(x: x)), out)
  }
}
