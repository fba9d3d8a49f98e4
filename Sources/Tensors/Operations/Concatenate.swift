// SPDX-License-Identifier: GPL-3.0-or-later

/// x and y side by side.
struct Concatenate: TapeOperation {
  let x, y: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.slice(g.tensor, first: 0, count: x.columns) }
    tape.contribute(to: y) { tape.slice(g.tensor, first: x.columns, count: y.columns) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      d(x).map { tape.pad($0, first: 0, total: output.columns) },
      d(y).map { tape.pad($0, first: x.columns, total: output.columns) })
  }
}

extension Tape {
  /// [x, y]: rows × m and rows × n to rows × (m + n).
  public func concatenate(_ x: Tensor, _ y: Tensor) -> Tensor {
    precondition(x.rows == y.rows, "tensors of different row counts")
    let out = result(x.rows, x.columns + y.columns)
    place(x, in: out, first: 0)
    place(y, in: out, first: x.columns)
    return record(.concatenate(Concatenate(x: x, y: y)), out)
  }

  /// Copies x to the columns of `out` from `first` on.
  func place(_ x: Tensor, in out: Tensor, first: Int) {
    for i in 0..<x.rows {
      (out.values + i * out.columns + first).update(from: x.values + i * x.stride, count: x.columns)
    }
  }
}
