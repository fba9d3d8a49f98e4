// SPDX-License-Identifier: GPL-3.0-or-later

/// The same numbers in rows of another length.
struct Reshape: TapeOperation {
  let x: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.scale(tape.reshape(g.tensor, rows: x.rows), by: 1) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.reshape($0, rows: output.rows) }
  }
}

extension Tape {
  /// The same numbers in `rows` rows, in the same memory.
  public func reshape(_ x: Tensor, rows: Int) -> Tensor {
    precondition(rows > 0 && x.count % rows == 0 && x.stride == x.columns, "numbers that do not fill the rows")
    return record(.reshape(Reshape(x: x)), Tensor(values: x.values, rows: rows, columns: x.count / rows))
  }
}
