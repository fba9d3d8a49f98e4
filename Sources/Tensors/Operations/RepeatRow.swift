// SPDX-License-Identifier: GPL-3.0-or-later

/// A row repeated.
struct RepeatRow: TapeOperation {
  let x: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.columnSums(g.tensor) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.repeatRow($0, rows: output.rows) }
  }
}

extension Tape {
  /// A row, `rows` times: 1 × n to rows × n.
  public func repeatRow(_ x: Tensor, rows: Int) -> Tensor {
    let out = result(rows, x.columns)
    for i in 0..<rows { (out.values + i * x.columns).update(from: x.values, count: x.columns) }
    return record(.repeatRow(RepeatRow(x: x)), out)
  }
}
