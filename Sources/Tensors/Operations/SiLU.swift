// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// silu^(order)(x), elementwise, with silu(x) = x / (1 + e^{−x}).
struct SiLU: TapeOperation {
  let x: Tensor
  let order: Int

  func backward(_ g: OutputGradient, on tape: Tape) {
    if x.isConstant { return }
    let inPlace = g.isOwned && !tape.recording
    let value = tape.siluProduct(g.tensor, x, order: order + 1, inPlace: inPlace)
    tape.pass(g, on: Tape.Adjoint(tensor: value, owned: true), to: x)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.siluProduct($0, x, order: order + 1) }
  }
}

extension Tape {
  /// silu(x) = x / (1 + e^{−x}), or its derivative of order 1 to 3, elementwise.
  public func silu(_ x: Tensor, order: Int = 0) -> Tensor {
    precondition((0...3).contains(order), "derivatives of SiLU are known to order 3")
    let out = result(x.rows, x.columns)
    ck_silu(out.values, x.values, Int32(order), x.count)
    return record(.silu(SiLU(x: x, order: order)), out)
  }
}
