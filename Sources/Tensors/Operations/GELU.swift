// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// gelu^(order)(x), elementwise: of x Φ(x), or of the quick form x / (1 + e^{−1.702 x}).
struct GELU: TapeOperation {
  let x: Tensor
  let isQuick: Bool
  let order: Int

  func backward(_ g: OutputGradient, on tape: Tape) {
    if x.isConstant { return }
    let inPlace = g.isOwned && !tape.recording
    let value = tape.geluProduct(g.tensor, x, quick: isQuick, order: order + 1, inPlace: inPlace)
    tape.pass(g, on: Tape.Adjoint(tensor: value, owned: true), to: x)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.geluProduct($0, x, quick: isQuick, order: order + 1) }
  }
}

extension Tape {
  /// x Φ(x) with the standard normal distribution function Φ, exact and not the tanh form (Hendrycks and Gimpel 2016),
  /// or its derivative of order 1 to 3, elementwise.
  public func gelu(_ x: Tensor, order: Int = 0) -> Tensor { gelu(x, quick: false, order: order) }

  /// x / (1 + e^{−1.702 x}), CLIP's approximation of GELU, or its derivative of order 1 to 3, elementwise.
  public func quickGELU(_ x: Tensor, order: Int = 0) -> Tensor { gelu(x, quick: true, order: order) }

  private func gelu(_ x: Tensor, quick: Bool, order: Int) -> Tensor {
    precondition((0...3).contains(order), "derivatives of GELU are known to order 3")
    let out = result(x.rows, x.columns)
    ck_gelu(out.values, x.values, quick ? 1 : 0, Int32(order), x.count)
    return record(.gelu(GELU(x: x, isQuick: quick, order: order)), out)
  }
}
