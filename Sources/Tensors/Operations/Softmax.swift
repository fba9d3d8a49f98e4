// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// softmax(scale · x) along rows.
struct Softmax: TapeOperation {
  let x: Tensor
  let scale: Float

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { product(g.tensor, g.output, tape) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { product($0, output, tape) }
  }

  /// scale · (v ⊙ y − (v · y) y), the product with the Jacobian, which is symmetric.
  private func product(_ v: Tensor, _ y: Tensor, _ tape: Tape) -> Tensor {
    let share = tape.product(v, y)
    let mean = tape.product(tape.repeatColumn(tape.rowSums(share), columns: y.columns), y)
    return tape.scale(tape.sum(1, share, -1, mean), by: scale)
  }
}

extension Tape {
  /// softmax(scale · x) along rows: e^{scale x_ij} / Σ_k e^{scale x_ik}.
  public func softmax(_ x: Tensor, scale: Float) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_softmax(out.values, x.values, scale, x.rows, x.columns)
    return record(.softmax(Softmax(x: x, scale: scale)), out)
  }
}
