// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// g ⊙ gelu^(order)(x), in the exact or the quick form.
struct GELUProduct: TapeOperation {
  let factor, x: Tensor
  let isQuick: Bool
  let order: Int

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: factor) { tape.geluProduct(g.tensor, x, quick: isQuick, order: order) }
    tape.contribute(to: x) {
      tape.geluProduct(tape.product(g.tensor, factor), x, quick: isQuick, order: order + 1)
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      d(factor).map { tape.geluProduct($0, x, quick: isQuick, order: order) },
      d(x).map { tape.geluProduct(tape.product($0, factor), x, quick: isQuick, order: order + 1) })
  }
}

extension Tape {
  /// g ⊙ gelu^(order)(x), in the memory of g on request.
  func geluProduct(_ g: Tensor, _ x: Tensor, quick: Bool, order: Int, inPlace: Bool = false) -> Tensor {
    precondition((0...3).contains(order), "derivatives of GELU are known to order 3")
    let out = inPlace ? Tensor(values: g.values, rows: g.rows, columns: g.columns) : result(x.rows, x.columns)
    ck_gelu_product(out.values, g.values, x.values, quick ? 1 : 0, Int32(order), x.count)
    return record(.geluProduct(GELUProduct(factor: g, x: x, isQuick: quick, order: order)), out)
  }
}
