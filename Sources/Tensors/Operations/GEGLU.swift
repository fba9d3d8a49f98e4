// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// a ⊙ gelu(b) for x = [a, b], fused; a composing tape writes it in other operations.
struct GEGLU: TapeOperation {
  let x: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    precondition(!tape.recording, "a tape that is to differentiate twice begins as a composing one")
    tape.contribute(to: x) {
      let dx = tape.result(x.rows, x.columns)
      ck_geglu_backward(dx.values, g.tensor.values, x.values, x.rows, x.columns / 2)
      return dx
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    preconditionFailure("a tape that is to differentiate forwards begins as a composing one")
  }
}

extension Tape {
  /// The first half of the columns times GELU (exact) of the second half (Shazeer 2020): rows × 2n to rows × n.
  public func geglu(_ x: Tensor) -> Tensor {
    precondition(x.columns % 2 == 0, "two halves")
    let width = x.columns / 2
    if recording && composing {
      return product(columns(x, first: 0, count: width), gelu(columns(x, first: width, count: width)))
    }
    let out = result(x.rows, width)
    ck_geglu(out.values, x.values, x.rows, width)
    return record(.geglu(GEGLU(x: x)), out)
  }
}
