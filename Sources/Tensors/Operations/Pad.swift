// SPDX-License-Identifier: GPL-3.0-or-later

/// x as columns from `first` on, zeros elsewhere.
struct Pad: TapeOperation {
  let x: Tensor
  let first: Int

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.slice(g.tensor, first: first, count: x.columns) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.pad($0, first: first, total: output.columns) }
  }
}

extension Tape {
  /// x as the columns from `first` on of `total`, zeros elsewhere.
  public func pad(_ x: Tensor, first: Int, total: Int) -> Tensor {
    let out = result(x.rows, total)
    out.values.update(repeating: 0, count: out.count)
    place(x, in: out, first: first)
    return record(.pad(Pad(x: x, first: first)), out)
  }
}
