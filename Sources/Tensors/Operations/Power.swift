// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// xᵖ, elementwise.
struct Power: TapeOperation {
  let x: Tensor
  let exponent: Float

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.scale(tape.product(g.tensor, tape.power(x, exponent - 1)), by: exponent) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.scale(tape.product($0, tape.power(x, exponent - 1)), by: exponent) }
  }
}

extension Tape {
  /// xᵖ, elementwise; fast for p = −1/2.
  public func power(_ x: Tensor, _ p: Float) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_power(out.values, x.values, p, x.count)
    return record(.power(Power(x: x, exponent: p)), out)
  }
}
