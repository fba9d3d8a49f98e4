// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// x ⊙ y
struct Product: TapeOperation {
  let x, y: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.product(g.tensor, y) }
    tape.contribute(to: y) { tape.product(g.tensor, x) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(d(x).map { tape.product($0, y) }, d(y).map { tape.product(x, $0) })
  }
}

extension Tape {
  /// x ⊙ y, elementwise, of equal shapes.
  public func product(_ x: Tensor, _ y: Tensor) -> Tensor {
    precondition(x.rows == y.rows && x.columns == y.columns, "tensors of different shapes")
    let out = result(x.rows, x.columns)
    ck_product(out.values, x.values, y.values, x.count)
    return record(.product(Product(x: x, y: y)), out)
  }
}
