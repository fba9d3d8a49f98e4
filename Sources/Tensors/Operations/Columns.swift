// SPDX-License-Identifier: GPL-3.0-or-later

/// The columns from `first` on, as many as the output has.
struct Columns: TapeOperation {
  let x: Tensor
  let first: Int

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.pad(g.tensor, first: first, total: x.columns) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.columns($0, first: first, count: output.columns) }
  }
}

extension Tape {
  /// `count` columns from `first` on. Without recording this is a view with gaps between its rows, for the operations
  /// that know strides (matrix products).
  public func columns(_ x: Tensor, first: Int, count: Int) -> Tensor {
    let view = Tensor(values: x.values + first, rows: x.rows, columns: count, stride: x.stride)
    if !recording { return view }
    let out = result(x.rows, count)
    place(view, in: out, first: 0)
    return record(.columns(Columns(x: x, first: first)), out)
  }

  /// `count` columns from `first` on, in memory of their own, recorded or not.
  public func slice(_ x: Tensor, first: Int, count: Int) -> Tensor {
    let columns = columns(x, first: first, count: count)
    if recording { return columns }
    let out = result(x.rows, count)
    place(columns, in: out, first: 0)
    return out
  }
}
