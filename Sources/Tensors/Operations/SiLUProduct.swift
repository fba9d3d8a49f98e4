// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// g ⊙ silu^(order)(x)
struct SiLUProduct: TapeOperation {
  let factor, x: Tensor
  let order: Int

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: factor) { tape.siluProduct(g.tensor, x, order: order) }
    tape.contribute(to: x) { tape.siluProduct(tape.product(g.tensor, factor), x, order: order + 1) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      d(factor).map { tape.siluProduct($0, x, order: order) },
      d(x).map { tape.siluProduct(tape.product($0, factor), x, order: order + 1) })
  }
}

extension Tape {
  /// g ⊙ silu^(order)(x), in the memory of g on request.
  func siluProduct(_ g: Tensor, _ x: Tensor, order: Int, inPlace: Bool = false) -> Tensor {
    precondition((0...3).contains(order), "derivatives of SiLU are known to order 3")
    let out = inPlace ? Tensor(values: g.values, rows: g.rows, columns: g.columns) : result(x.rows, x.columns)
    ck_silu_product(out.values, g.values, x.values, Int32(order), x.count)
    return record(.siluProduct(SiLUProduct(factor: g, x: x, order: order)), out)
  }
}
